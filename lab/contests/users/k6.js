// Sends the contest's load with k6: users by their id and lists, each in a scenario of its own, with fixed
// rates of arrivals.
//
// Each virtual user keeps its connection, as k6 does by default. What an answer says is checked here for its
// id, or for its number of items, offset and total; the native generator compares every field.
import http from 'k6/http';
import { check } from 'k6';
import { arrive, judged, lines, optionsWith, plan, send } from '../k6-load.js';

export { handleSummary } from '../k6-load.js';

// The data's ids, in their order.
const ids = lines(plan.terms, 't');

// What the contest asks for.
const wanted = { checks: ['rate>0.99'], http_req_failed: ['rate<0.01'], http_req_duration: ['p(99)<500'] };
export const options = optionsWith(wanted, {});

// A whole number from 0 on, below `count`.
function any(count) {
  return Math.floor(Math.random() * count);
}

function randomHex(digits) {
  let text = '';
  while (text.length < digits) {
    text += any(16).toString(16);
  }
  return text;
}

// Of version 4; that one of 2^122 is among the data does not occur.
function unknownId() {
  const variant = '89ab'[any(4)];
  return `${randomHex(8)}-${randomHex(4)}-4${randomHex(3)}-${variant}${randomHex(3)}-${randomHex(12)}`;
}

function json(response) {
  try {
    return response.json();
  } catch (_) {
    return null;
  }
}

// The path with all placeholders filled, and what its answer must say.
function drawn(path) {
  if (path.includes('{user_id}')) {
    const id = ids[any(ids.length)];
    return {
      path: path.replace('{user_id}', id),
      checks: { 'the id is the one that was asked for': (response) => json(response)?.id === id },
    };
  }
  if (path.includes('{unknown_id}')) {
    return {
      path: path.replace('{unknown_id}', unknownId()),
      checks: { 'nobody is not_found': (response) => json(response)?.error === 'not_found' },
    };
  }
  const limit = Number(path.match(/[?&]limit=([0-9]+)/)[1]);
  const offset = any(ids.length - limit + 1);
  return {
    path: path.replace('{offset}', offset),
    checks: {
      'the list is the page that was asked for': (response) => {
        const list = json(response);
        const whole = list?.items?.length === limit && list.limit === limit && list.offset === offset;
        return whole && list.total === ids.length && list.items[0].id === ids[offset];
      },
    },
  };
}

// Whether the answer is as it must be.
function answered(request) {
  const { path, checks } = drawn(request.path);
  const others = { responseCallback: http.expectedStatuses(...request.accept) };
  const response = send(request, plan.url + path, null, others);
  return request.accept.includes(response.status) && check(response, checks, { request: request.name });
}

export function user() {
  for (const request of arrive().scenario.requests) {
    if (!judged(request, answered(request))) {
      return;
    }
  }
}
