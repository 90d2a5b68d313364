// Sends the contest's load with k6: pages, each in a scenario of its own, with fixed rates of arrivals. Each
// virtual user keeps its connection, as k6 does by default. Every answer is checked as lab/src/oracle/edge/
// does, with the numbers and words from there.
import http from 'k6/http';
import { Counter, Gauge } from 'k6/metrics';
import { arrive, judged, optionsWith, plan, send } from '../k6-load.js';

export { handleSummary } from '../k6-load.js';

// The names are also in lab/src/drivers/k6/summary.rs, which reads them.
const pages = new Counter('pouco_pages');
const wrong = new Counter('pouco_wrong');
const ageMs = new Gauge('pouco_age_ms');

const byWord = plan.pages.words.map((word) => [`pouco_pages{cache:${word}}`, ['count>=0']]);
export const options = optionsWith(Object.fromEntries(byWord), {});

const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\n$/;

// How old the time is that a page shows; not a number where it shows none.
function age(body) {
  return moment.test(body) ? Date.now() - Date.parse(body.trim()) : NaN;
}

// Whether a page is as it must be.
function right(path, body) {
  if (path.endsWith('/static-text')) {
    return body === plan.pages.static_text;
  }
  const old = age(body);
  ageMs.add(old >= 0 ? old : 0);
  return old >= 0 && old <= plan.pages.oldest_ms;
}

// Whether the answer is as it must be.
function answered(request) {
  const others = { responseCallback: http.expectedStatuses(...request.accept) };
  const response = send(request, plan.url + request.path, null, others);
  if (!request.accept.includes(response.status)) {
    return false;
  }
  const cache = response.headers['X-Cache-Status'];
  const good = plan.pages.words.includes(cache) && right(request.path, response.body);
  if (good) {
    pages.add(1, { cache });
  } else {
    wrong.add(1);
  }
  return good;
}

export function user() {
  for (const request of arrive().scenario.requests) {
    if (!judged(request, answered(request))) {
      return;
    }
  }
}
