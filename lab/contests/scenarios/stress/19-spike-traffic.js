// The mix of 08 with 10 clients, then 100, then 10 again: 30, 5, 30, 5 and 30 s, where DURATION is the 30 s.
// Alongside a right answer only a 503 with Retry-After is allowed. Empty and seed the database afterwards.
import { check, sleep } from 'k6';
import { Counter } from 'k6/metrics';
import { answered, any, send } from '../k6-basic.js';
import { seconds } from '../k6-variants.js';

const long = seconds(__ENV.DURATION || '30s');
const short = Math.max(1, Math.round(long / 6));
const AFTER_A_REFUSAL_SECONDS = 0.1;

const refused = new Counter('refused');

export const options = {
  stages: [
    { duration: `${long}s`, target: 10 },
    { duration: `${short}s`, target: 100 },
    { duration: `${long}s`, target: 100 },
    { duration: `${short}s`, target: 10 },
    { duration: `${long}s`, target: 10 },
  ],
  startVUs: 10,
  thresholds: { checks: ['rate==1'], refused: [] },
};

export default function () {
  const { task, response } = send(any());
  if (response.status !== 503) {
    answered(task, response);
    return;
  }
  check(response, { 'a refusal says when to come again': (it) => it.headers['Retry-After'] !== undefined });
  refused.add(1);
  sleep(AFTER_A_REFUSAL_SECONDS);
}
