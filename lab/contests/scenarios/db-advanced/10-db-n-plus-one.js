// Authors with their posts: a statement for each author, a join, and two statements.
import { ask, optionsOf, right, variant } from '../k6-variants.js';

const LIMIT = 20;

export const options = optionsOf(['lazy', 'eager', 'subquery']);

// As seeds/10.sql has them: author n has 5 + n % 11 posts, with ids in the order of authors.
function areRight(authors) {
  let last = 0;
  return authors.every(({ id, posts }, place) => {
    const inOrder = posts.every((post) => {
      last += 1;
      return post.id === last;
    });
    return id === place + 1 && inOrder && posts.length === 5 + (id % 11);
  });
}

export default function () {
  right(ask('GET', `/n-plus-one/${variant()}?limit=${LIMIT}`), 200, {
    'all authors are there': ({ authors }) => authors.length === LIMIT,
    'each has all posts, in order': ({ authors }) => areRight(authors),
  });
}
