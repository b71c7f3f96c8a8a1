/** Hands a text file to a test as the bundles get it: a module whose default export is the text. */
module.exports = {
  process: (text) => ({ code: `module.exports = { __esModule: true, default: ${JSON.stringify(text)} };` }),
};
