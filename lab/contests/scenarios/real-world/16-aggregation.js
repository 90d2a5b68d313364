// 100,000 articles, counted and in groups: by the statement each time, with an index or without as the
// database has one, and from totals that a trigger keeps (the seed of the variant `kept` makes it; without it
// -e KEPT=off).
import { ask, optionsOf, right, variant } from '../k6-variants.js';

const ROWS = 100000;
const COUNTRIES = 50;
const LIMIT = 10;

const kept = __ENV.KEPT === 'off' ? [] : ['country-kept', 'author-kept'];
export const options = optionsOf(['count-orm', 'count-raw', 'country-raw', 'author-raw'].concat(kept));

// By articles descending, then by key.
function areInOrder(groups) {
  return groups.slice(1).every((group, place) => {
    const before = groups[place];
    return before.articles > group.articles || (before.articles === group.articles && before.key < group.key);
  });
}

export default function () {
  const [what, how] = variant().split('-');
  if (what === 'count') {
    right(ask('GET', `/aggregation/count/${how}`), 200, { 'all are counted': ({ count }) => count === ROWS });
    return;
  }
  const ofAll = what === 'country';
  const limit = ofAll ? COUNTRIES : LIMIT;
  right(ask('GET', `/aggregation/stats/${what}/${how}?limit=${limit}`), 200, {
    'the groups are as many as were asked for': ({ groups }) => groups.length === limit,
    'they are in order': ({ groups }) => areInOrder(groups),
    'they sum to all articles, if they are all': ({ groups }) => {
      return !ofAll || groups.reduce((sum, { articles }) => sum + articles, 0) === ROWS;
    },
  });
}
