// Sends the contest's mix with k6: looks, orders, deliveries and logins, each in a scenario of its own, with
// fixed rates of arrivals. Each virtual user keeps its connection, as k6 does by default.
//
// Every answer is checked as lab/src/load/errand.rs does: ids, price and total to the cent, the order of a
// page. What the oracle must know of a request that changes the shop, it is told in a line of the console
// each, which lab/src/drivers/k6/shop.rs reads: metrics have no room for it, and it is a hundred lines a
// second.
import { check } from 'k6';
import { arrive, judged, optionsWith, plan, send } from '../k6-load.js';

export { handleSummary } from '../k6-load.js';

export const options = optionsWith({}, {});

const { customers, products, bought, delivered, page } = plan.shop;

// A whole number from 0 on, below `count`.
function any(count) {
  return Math.floor(Math.random() * count);
}

function between([least, most]) {
  return least + any(most - least + 1);
}

function json(response) {
  try {
    return response.json();
  } catch (_) {
    return null;
  }
}

// A number that was read from `10.1` or `10.10` is that of 1,010 cents, and one from `10.100000000000001` is
// not.
function costs(price, cents) {
  return price === cents / 100;
}

function ascends(ids) {
  return ids.every((id, place) => place === 0 || ids[place - 1] < id);
}

// An errand: what stands in its path, its body and the body's type, what its answer must say, and what it is
// to the oracle.
function look() {
  const product = products[any(products.length)];
  return {
    place: product.id,
    checks: {
      'the product is the one that was asked for': (said) => said?.id === product.id,
      'the price is the product\'s own': (said) => costs(said?.price, product.cents),
    },
  };
}

function browse() {
  // Others may have products here, too.
  const least = Math.min(page, products.length);
  const ids = (said) => (Array.isArray(said) ? said.map((product) => product?.id) : []);
  return {
    place: any(Math.max(products.length - page, 0) + 1),
    checks: {
      'the page has as many as were asked for': (said) => ids(said).length >= least && ids(said).length <= page,
      'the page is in the order of ids': (said) => ascends(ids(said)),
    },
  };
}

// As many pieces as an order has, each in the line of any product, so in as many lines at most.
function drawn(lines) {
  const cart = new Map();
  for (let pieces = between(bought); pieces > 0; pieces--) {
    const product = lines > cart.size ? products[any(products.length)] : [...cart.keys()][any(cart.size)];
    cart.set(product, (cart.get(product) ?? 0) + 1);
  }
  return [...cart].map(([product, quantity]) => ({ product, quantity }));
}

function buy(customer, most) {
  const lines = drawn(most);
  const cents = lines.reduce((sum, { product, quantity }) => sum + product.cents * quantity, 0);
  const items = (said) => (Array.isArray(said?.items) ? said.items : []);
  const isThere = (said) => ({ product, quantity }) =>
    items(said).some((it) => it?.product_id === product.id && it.quantity === quantity
      && costs(it.unit_price, product.cents));
  return {
    // The price is any but the catalogue's.
    body: JSON.stringify({
      status: 'pending',
      items: lines.map(({ product, quantity }) => ({ product_id: product.id, quantity, unit_price: 0.01 })),
    }),
    type: 'application/json',
    deed: { kind: 'order', lines },
    checks: {
      'the order has an id': (said) => Number.isSafeInteger(said?.id),
      'the order is the customer\'s own': (said) => said?.customer_id === customer.id,
      'the total is the sum of the lines': (said) => costs(said?.total_amount, cents),
      'the lines are what was ordered': (said) => items(said).length === lines.length && lines.every(isThere(said)),
    },
  };
}

function order(customer) {
  return buy(customer, 1);
}

function basket(customer) {
  return buy(customer, bought[1]);
}

function restock() {
  const product = products[any(products.length)];
  const quantity = between(delivered);
  return {
    body: JSON.stringify({ product_id: product.id, quantity }),
    type: 'application/json',
    deed: { kind: 'restock', lines: [{ product, quantity }] },
    checks: {
      'the stock is the product\'s': (said) => said?.product_id === product.id,
      'there is as much in stock as was just added': (said) => said?.quantity >= quantity,
    },
  };
}

function login(customer) {
  const field = (text) => encodeURIComponent(text).replace(/%20/g, '+');
  return {
    body: `username=${field(customer.email)}&password=${field(customer.password)}`,
    type: 'application/x-www-form-urlencoded',
    checks: { 'the token is one': (said) => said?.access_token?.split?.('.').length === 3 },
  };
}

const errands = { look, browse, order, basket, restock, login };

// The checks of one answer, with the request's name in theirs: k6 counts them by their names alone.
function named(request, checks, said) {
  const one = ([what, holds]) => [`${request.name}: ${what}`, () => Boolean(holds(said))];
  return Object.fromEntries(Object.entries(checks).map(one));
}

// In the form of lab/src/drivers/k6/shop.rs; the id is empty where none is known.
function tell({ kind, lines }, customer, status, id) {
  const pieces = lines.map(({ product, quantity }) => `${product.id},${quantity}`).join(',');
  console.log(`pouco-deed,${kind},${customer.id},${status},${id},${pieces},end`);
}

// Whether the answer is as it must be.
function answered(request, number) {
  const customer = customers[number % customers.length];
  const { place, body, type, deed, checks } = errands[request.errand](customer);
  const headers = Object.assign({}, plan.headers);
  if (request.errand !== 'login') {
    headers.authorization = `Bearer ${customer.token}`;
  }
  if (type) {
    headers['content-type'] = type;
  }
  const path = request.path.replace(/\{product_id\}|\{skip\}/, () => place);
  const response = send(request, plan.url + path, body ?? null, { headers, responseCallback: null });
  const yes = response.status >= 200 && response.status < 300;
  const said = yes ? json(response) : null;
  const good = request.accept.includes(response.status) && (!yes || check(response, named(request, checks, said)));
  if (deed) {
    tell(deed, customer, response.status, yes && good && deed.kind === 'order' ? said.id : '');
  }
  return good;
}

export function user() {
  const { scenario, number } = arrive();
  for (const request of scenario.requests) {
    if (!judged(request, answered(request, number))) {
      return;
    }
  }
}
