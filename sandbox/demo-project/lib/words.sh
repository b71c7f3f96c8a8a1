# words FILE: each word of the file on a line of its own, in lower case.
words() {
  tr -cs '[:alnum:]' '\n' < "$1" | tr '[:upper:]' '[:lower:]' | sed '/^$/d'
}
