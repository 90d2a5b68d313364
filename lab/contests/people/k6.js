// Sends a contest's load with k6: an open model, a connection for each virtual user's request, every status
// checked.
//
// What k6 cannot do: keep one connection for a user's whole chain and close it after (each request has its
// own here), and arrivals at random moments.
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';
import { arrive, judged, lines, optionsWith, plan, send } from '../k6-load.js';

export { handleSummary } from '../k6-load.js';

// The name is also in lab/src/drivers/k6/summary.rs, which reads it.
const acknowledged = new Counter('pouco_acknowledged');

const payloads = lines(plan.payloads, 'payload');
const terms = lines(plan.terms, 't');

export const options = optionsWith({}, { discardResponseBodies: true, noConnectionReuse: true });

// The next request's address, or null where the chain ends.
function address(request, number, location) {
  if (request.path.includes('{location}')) {
    if (!location) {
      return null;
    }
    const path = request.path.replace('{location}', () => location);
    return path.startsWith('/') ? plan.url + path : path;
  }
  return plan.url + request.path.replace('{term}', () => encodeURIComponent(terms[number % terms.length]));
}

function sendTo(request, url, number) {
  const others = { responseCallback: null };
  if (request.sends_payload) {
    others.headers = Object.assign({ 'content-type': 'application/json' }, plan.headers);
  }
  return send(request, url, request.sends_payload ? payloads[number % payloads.length] : null, others);
}

export function user() {
  const { scenario, number } = arrive();
  let location = null;
  for (const request of scenario.requests) {
    const url = address(request, number, location);
    if (url === null) {
      return;
    }
    if (request.pause_ms) {
      const [least, most] = request.pause_ms;
      sleep((least + Math.random() * (most - least)) / 1000);
    }
    const response = sendTo(request, url, number);
    if (!judged(request, request.accept.includes(response.status))) {
      return;
    }
    location = response.status === 201 ? response.headers.Location : null;
    if (location && request.sends_payload) {
      acknowledged.add(1);
    }
  }
}
