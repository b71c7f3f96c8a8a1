import { type Op } from '../deployment/step';

/** How an operation reads: its mark, while it runs, when done, when failed, in a preview. */
interface Words {
  mark: string;
  running: string;
  done: string;
  failed: string;
  planned: string;
  /** In a preview that is over, where a replacement's parts are one. */
  plannedAsOne: string;
}

const words = (
  mark: string,
  running: string,
  done: string,
  failed: string,
  planned: string,
  plannedAsOne = planned,
): Words => ({
  mark,
  running,
  done,
  failed: `${failed} failed`,
  planned,
  plannedAsOne,
});

const TABLE: Record<Op, Words> = {
  same: { mark: '  ', running: '', done: '', failed: 'failed', planned: '', plannedAsOne: '' },
  create: words('+ ', 'creating', 'created', 'creating', 'create'),
  update: words('~ ', 'updating', 'updated', 'updating', 'update'),
  delete: words('- ', 'deleting', 'deleted', 'deleting', 'delete'),
  replace: words('+-', 'replacing', 'replaced', 'replacing', 'replace'),
  'create-replacement': words(
    '++',
    'creating replacement',
    'created replacement',
    'creating',
    'create replacement',
    'replace',
  ),
  'delete-replaced': words('--', 'deleting original', 'deleted original', 'deleting', 'delete original', 'replace'),
  read: words('> ', 'reading', 'read', 'reading', 'read'),
  'read-replacement': words('>>', 'reading for replacement', 'read for replacement', 'reading', 'read for replacement'),
  refresh: words('~ ', 'refreshing', 'refresh', 'refreshing', 'refresh'),
  import: words('= ', 'importing', 'imported', 'importing', 'import'),
  discard: words('< ', 'discarding', 'discarded', 'discarding', 'discard'),
  'discard-replaced': words('<<', 'discarding original', 'discarded original', 'discarding', 'discard original'),
  'remove-pending-replace': {
    mark: '~ ',
    running: '',
    done: '',
    failed: '',
    planned: '',
    plannedAsOne: '',
  },
};

/** The words of an operation; unknown ones are shown as they are called. */
export function wordsOf(op: string): Words {
  return TABLE[op as Op] ?? words('  ', op, op, op, op);
}

/** ecs/instance:Instance is shown as ecs:Instance. */
export function displayType(type: string): string {
  const [pkg, module, name] = type.split(':');
  if (name === undefined) return type;
  return [pkg, module!.split('/')[0], name].join(':');
}

/** "1 error", "2 errors". */
export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
