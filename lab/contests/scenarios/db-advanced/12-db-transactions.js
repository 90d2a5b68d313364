// The same product is sold by all at once. `balance` is what is left, and what was sold, alongside what was
// there: no-lock loses sales, so more is left; the others must lose none.
import { Counter } from 'k6/metrics';
import { ask, chosen, must, optionsOf, right, variant } from '../k6-variants.js';

const START = 1000000;
const VARIANTS = ['no-lock', 'pessimistic', 'optimistic', 'serializable', 'conditional'];

const balance = new Counter('balance');
const refused = new Counter('refused');

const thresholds = {};
for (const name of chosen(VARIANTS)) {
  thresholds[`balance{variant:${name}}`] = name === 'no-lock' ? [] : ['count==0'];
  thresholds[`refused{variant:${name}}`] = [];
}
export const options = optionsOf(VARIANTS, thresholds);

// Each sells a product of its own.
const product = (name) => 1 + VARIANTS.indexOf(name);

export function setup() {
  for (const name of chosen(VARIANTS)) {
    const path = `/transactions/reset?product_id=${product(name)}&quantity=${START}`;
    must(ask('POST', path, { timed: 'no' }), 200);
    balance.add(-START, { variant: name });
  }
}

export default function () {
  const name = variant();
  const path = `/transactions/decrement/${name}?product_id=${product(name)}&quantity=1`;
  const response = ask('POST', path, { accept: [200, 409] });
  if (response.status === 409) {
    right(response, 409, { 'a refusal says why': (it) => Boolean(it.detail || it.error) });
    refused.add(1, { variant: name });
    return;
  }
  const good = right(response, 200, {
    'the product is the one that was sold': ({ product_id: id }) => id === product(name),
    'what is left is none too few': ({ quantity }) => quantity >= 0 && quantity < START,
  });
  if (good) {
    balance.add(1, { variant: name });
  }
}

export function teardown() {
  for (const name of chosen(VARIANTS)) {
    // One more, which tells how many are left.
    const path = `/transactions/decrement/conditional?product_id=${product(name)}&quantity=1`;
    balance.add(must(ask('POST', path, { timed: 'no' }), 200).quantity + 1, { variant: name });
  }
}
