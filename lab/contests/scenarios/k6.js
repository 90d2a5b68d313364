// Sends the contest's loads with k6: clients of a closed loop, each of whom asks again when it is answered.
// Every answer is checked as the scripts in basic/ do; of each creation the oracle is told, which looks for
// its row afterwards.
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';
import { answered, tasks } from './k6-basic.js';
import { arrive, deck, judged, optionsWith, plan, send } from '../k6-load.js';

export { handleSummary } from '../k6-load.js';

// The names are also in lab/src/drivers/k6/summary.rs, which reads them.
const right = new Counter('pouco_right');
const wrong = new Counter('pouco_wrong');

export const options = optionsWith({}, {});

// As the lab's own generator has it.
const AFTER_A_FAILURE_SECONDS = 0.1;

// What each request of the plan is for.
const taskOf = new Map();
for (const { name, method, path } of plan.scenarios.flatMap((scenario) => scenario.requests)) {
  const isIt = (make) => make('').method === method && make('').path === path;
  taskOf.set(name, Object.values(tasks).find(isIt));
  if (!taskOf.get(name)) {
    throw new Error(`${method} ${path} is nothing that is known here`);
  }
}

// A line of the console for each creation, as lab/src/drivers/k6/made.rs reads it.
function tell(number, response) {
  let id;
  try {
    id = response.status === 201 ? response.json('id') : '';
  } catch (_) {
    id = '';
  }
  console.log(`pouco-made,${number},${response.status},${Number.isInteger(id) ? id : ''},end`);
}

export function user() {
  const { scenario, number } = arrive();
  const request = deck(scenario, number);
  const make = taskOf.get(request.name);
  const task = make(String(number));
  const headers = Object.assign({}, plan.headers, task.headers);
  const response = send(request, plan.url + task.path, task.body ?? null, { headers });
  if (make === tasks.create) {
    tell(number, response);
  }
  const good = answered(task, response);
  // Without an allowed status there is nothing to judge.
  if (request.accept.includes(response.status)) {
    (good ? right : wrong).add(1);
  }
  if (!judged(request, good)) {
    sleep(AFTER_A_FAILURE_SECONDS);
  }
}
