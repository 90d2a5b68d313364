// A table of 100,000 rows in pages: by OFFSET with a count of all rows and without, and by a cursor.
import { any, ask, optionsOf, right, variant } from '../k6-variants.js';

const ROWS = 100000;
const SIZE = 20;

export const options = optionsOf(['offset', 'offset-no-count', 'cursor']);

// Ids have no gap, so the row at a place is known.
function areFrom(items, first) {
  return items.length === SIZE && items.every(({ id }, place) => id === first + place);
}

export default function () {
  const page = any(ROWS / SIZE);
  const before = (page - 1) * SIZE;
  if (variant() === 'cursor') {
    const next = page === ROWS / SIZE ? null : before + SIZE;
    right(ask('GET', `/users/cursor?cursor=${before}&size=${SIZE}`), 200, {
      'the items are those after the cursor': ({ items }) => areFrom(items, before + 1),
      'the next cursor is the last id': ({ next_cursor: cursor }) => cursor === next,
    });
    return;
  }
  const counted = variant() === 'offset';
  right(ask('GET', `/users/offset?page=${page}&size=${SIZE}${counted ? '' : '&count=false'}`), 200, {
    'the items are those of the page': ({ items }) => areFrom(items, before + 1),
    'the total is right': ({ total }) => total === (counted ? ROWS : null),
    'the pages are right': ({ total_pages: pages }) => pages === (counted ? ROWS / SIZE : null),
  });
}
