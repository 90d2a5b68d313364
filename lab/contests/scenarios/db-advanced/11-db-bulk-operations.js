// Many rows at once: a commit for each, a transaction of long INSERTs, and one statement. COUNT is how many.
import { ask, must, optionsOf, right, variant } from '../k6-variants.js';

const COUNT = Number(__ENV.COUNT || 1000);
const ONE_TO_COUNT = (COUNT * (COUNT + 1)) / 2;

export const options = optionsOf([
  'insert-individual',
  'insert-batch',
  'insert-raw',
  'update-individual',
  'update-bulk',
]);

export function setup() {
  must(ask('DELETE', '/bulk-operations/cleanup', { timed: 'no' }), 200);
  // For the updates.
  must(ask('POST', `/bulk-operations/insert-raw?count=${COUNT}`, { timed: 'no' }), 200);
}

export default function () {
  const inserts = variant().startsWith('insert');
  right(ask('POST', `/bulk-operations/${variant()}?count=${COUNT}`), 200, {
    'all rows are written': ({ count }) => count === COUNT,
    // Others add to the same rows.
    'the sum is right': ({ sum }) => (inserts ? sum === ONE_TO_COUNT : sum >= ONE_TO_COUNT + COUNT),
  });
}

export function teardown() {
  must(ask('DELETE', '/bulk-operations/cleanup', { timed: 'no' }), 200);
}
