// What the scripts of the advanced scenarios share: their variants run one after the other, each with the
// same clients for the same time, and k6's summary shows each by itself. Each script runs by itself:
//
//   k6 run lab/contests/scenarios/db-advanced/09-db-pagination.js
//   k6 run -e VARIANT=cursor -e DURATION=10s lab/contests/scenarios/db-advanced/09-db-pagination.js
//
// BASE_URL (http://127.0.0.1:9999), VUS, DURATION of each variant and VARIANT may be set with -e. The data
// are those of the contest's seeds. The run fails (exit code 99) if any check does.
import http from 'k6/http';
import exec from 'k6/execution';
import { check } from 'k6';
import { body, url } from './k6-basic.js';

export { body, url } from './k6-basic.js';

const VUS = Number(__ENV.VUS || 10);
// So that what one variant began has ended when the next begins, unless it is slow: it is waited for anyway.
const GAP_SECONDS = 2;
const LAST_SECONDS = 60;

export function seconds(text) {
  const [, number, unit] = /^([0-9]+)(s|m)$/.exec(text) || [];
  if (!number) {
    throw new Error(`DURATION=${text}: 30s or 5m, for example, is allowed`);
  }
  return Number(number) * (unit === 'm' ? 60 : 1);
}

const duration = seconds(__ENV.DURATION || '30s');

// Those that were asked for, of these.
export function chosen(names) {
  if (!__ENV.VARIANT) {
    return names;
  }
  if (!names.includes(__ENV.VARIANT)) {
    throw new Error(`VARIANT=${__ENV.VARIANT}: ${names.join(', ')} are allowed`);
  }
  return [__ENV.VARIANT];
}

// k6's options for variants of these names; `thresholds` alongside those that all have.
export function optionsOf(names, thresholds = {}) {
  const scenarios = {};
  const all = { checks: ['rate==1'] };
  for (const [place, name] of chosen(names).entries()) {
    scenarios[name] = {
      executor: 'constant-vus',
      vus: VUS,
      duration: `${duration}s`,
      gracefulStop: `${LAST_SECONDS}s`,
      startTime: `${place * (duration + GAP_SECONDS)}s`,
    };
    // No bound: what has one is in the summary by itself.
    all[`http_req_duration{scenario:${name},timed:yes}`] = [];
  }
  return { scenarios, thresholds: Object.assign(all, thresholds) };
}

// Which of them an iteration is of.
export function variant() {
  return exec.scenario.name;
}

// From 1 to `most`.
export function any(most) {
  return 1 + Math.floor(Math.random() * most);
}

// The number of a row, of `rows`, that no other client asks for: each has a part of them.
export function mine(rows) {
  const each = Math.floor(rows / exec.instance.vusInitialized);
  return (exec.vu.idInTest - 1) * each + any(each);
}

// Asks for what is measured. What is not measured has `timed: 'no'`.
export function ask(method, path, { sent = null, headers = {}, timed = 'yes', accept = [200] } = {}) {
  return http.request(method, url + path, sent, {
    headers,
    tags: { timed, name: path.replace(/[?].*/, '').replace(/\/[0-9]+/g, '/N') },
    responseCallback: http.expectedStatuses(...accept),
  });
}

// Whether the status is this one, and what must hold of the document does.
export function right(response, status, checks = {}) {
  const document = body(response);
  const all = { [`status is ${status}`]: () => response.status === status };
  for (const [name, holds] of Object.entries(checks)) {
    all[name] = () => {
      try {
        return holds(document);
      } catch (_) {
        // There is no document, or not what it should have.
        return false;
      }
    };
  }
  return check(response, all);
}

// What setup and teardown need; without it there is nothing to measure.
export function must(response, status) {
  if (response.status !== status) {
    const { method, url: asked } = response.request;
    throw new Error(`${method} ${asked}: ${response.status} ${response.body}`);
  }
  return status === 204 ? null : response.json();
}
