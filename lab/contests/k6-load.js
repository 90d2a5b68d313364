// What the scripts of all contests share: a contest's load as k6 sends it, in an open model or by clients,
// and its figures as the lab reads them. A contest's own k6.js says what is asked, and what an answer must
// be.
//
// Nothing here knows a rate, a name or a status: lab/src/drivers/k6 reads them from contest.toml and passes
// them as JSON in POUCO_PLAN, so that the contest's file is the only source. In a container k6 finds this
// file where it is here.
import http from 'k6/http';
import exec from 'k6/execution';
import { SharedArray } from 'k6/data';
import { Counter, Gauge, Trend } from 'k6/metrics';

export const plan = JSON.parse(__ENV.POUCO_PLAN);
const knownStatuses = new Set(plan.statuses);
const byId = new Map(plan.scenarios.map((scenario) => [scenario.id, scenario]));

// The names are also in lab/src/drivers/k6/summary.rs, which reads them.
const begunAtMs = new Gauge('pouco_begun_at_ms');
const users = new Counter('pouco_users');
const sent = new Counter('pouco_sent');
const answers = new Counter('pouco_answers');
const failed = new Counter('pouco_failed');
const statuses = new Counter('pouco_statuses');
const duration = new Trend('pouco_duration', true);

// A file's lines below its header, as lab/src/lines.rs reads them: blanks at their ends belong to them, a CR
// before the line end and a byte order mark do not, and the last line may have no end. One copy for all
// virtual users.
export function lines(path, header) {
  return new SharedArray(header, () => {
    const text = open(path).replace(/^\ufeff/, '').replace(/\n$/, '');
    const all = text.split('\n').map((line) => line.replace(/\r$/, ''));
    if (all.shift() !== header || all.length === 0) {
      throw new Error(`${path}: the header '${header}' must come first, then at least one line`);
    }
    return all;
  });
}

function scenarioOptions(scenario) {
  if (scenario.clients !== null) {
    return {
      exec: 'user',
      executor: 'constant-vus',
      gracefulStop: plan.graceful_stop,
      vus: scenario.clients,
      duration: scenario.duration,
    };
  }
  return {
    exec: 'user',
    executor: 'ramping-arrival-rate',
    gracefulStop: plan.graceful_stop,
    startRate: scenario.start_rate,
    timeUnit: scenario.time_unit,
    stages: scenario.stages,
    preAllocatedVUs: scenario.pre_allocated,
    maxVUs: scenario.max_vus,
  };
}

// k6 keeps figures of one request name, or of one tag, only where a threshold asks for them; these are always
// met.
function thresholds(own) {
  const wanted = Object.assign({}, own);
  const requests = plan.scenarios.flatMap((scenario) => scenario.requests);
  for (const { name } of requests) {
    wanted[`pouco_duration{request:${name}}`] = ['max>=0'];
    for (const counter of ['pouco_sent', 'pouco_failed']) {
      wanted[`${counter}{request:${name}}`] = ['count>=0'];
    }
    for (const status of [...plan.statuses, 'other']) {
      wanted[`pouco_statuses{request:${name},status:${status}}`] = ['count>=0'];
    }
  }
  return wanted;
}

// k6's options: those of the plan, with a contest's own thresholds and further options.
export function optionsWith(ownThresholds, others) {
  const ofPlan = {
    scenarios: Object.fromEntries(plan.scenarios.map((scenario) => [scenario.id, scenarioOptions(scenario)])),
    thresholds: thresholds(ownThresholds),
    // Without the last two k6 counts the checks that failed, and does not say which.
    systemTags: ['scenario', 'group', 'check'],
    summaryTrendStats: ['count', 'p(50)', 'p(75)', 'p(90)', 'p(95)', 'p(99)', 'p(99.9)', 'max'],
  };
  return Object.assign(ofPlan, others);
}

// The scenario of a user who comes now, with the user's number in it: over all of k6's virtual users, from 0
// and without gaps. A client comes once and begins again and again, each time with the next number.
export function arrive() {
  const number = exec.scenario.iterationInTest;
  if (number === 0) {
    begunAtMs.add(exec.scenario.startTime);
  }
  const scenario = byId.get(exec.scenario.name);
  if (scenario.clients === null || exec.vu.iterationInScenario === 0) {
    users.add(1);
  }
  return { scenario, number };
}

const decks = new Map(plan.scenarios.map(({ id, requests }) => [id, dealt(requests)]));

// Each request as often as its share says, in as few cards as can be, and no two of a kind together where
// that can be: the step is one that comes to every card.
function dealt(requests) {
  const divisor = (a, b) => (b === 0 ? a : divisor(b, a % b));
  const unit = requests.map((request) => request.share).reduce(divisor);
  const cards = requests.flatMap((request) => Array(request.share / unit).fill(request));
  let step = Math.max(1, Math.round(cards.length * 0.382));
  while (divisor(cards.length, step) !== 1) {
    step += 1;
  }
  return cards.map((_, place) => cards[(place * step) % cards.length]);
}

// The request of a mix that this user sends: all are dealt from one deck, so that no answer changes it.
export function deck(scenario, number) {
  const cards = decks.get(scenario.id);
  return cards[number % cards.length];
}

// Sends a request and counts its answer. `others` go to k6 as they are.
export function send(request, url, body, others) {
  const tags = { request: request.name };
  sent.add(1, tags);
  const begunAt = Date.now();
  const settings = { headers: plan.headers, tags, timeout: plan.timeout, redirects: 0 };
  const response = http.request(request.method, url, body, Object.assign(settings, others));
  // From before the connect, which k6's own http_req_duration leaves out, to the last byte. Of a request
  // without an answer k6 tells no times.
  const { blocked, duration: afterwards } = response.timings;
  duration.add(response.status === 0 ? Date.now() - begunAt : blocked + afterwards, tags);
  answers.add(response.status === 0 ? 0 : 1);
  const status = knownStatuses.has(response.status) ? String(response.status) : 'other';
  statuses.add(1, { request: request.name, status });
  return response;
}

// Whether the answer to a request was as it must be.
export function judged(request, good) {
  failed.add(good ? 0 : 1, { request: request.name });
  return good;
}

export function handleSummary(data) {
  return { [plan.summary]: JSON.stringify(data) };
}
