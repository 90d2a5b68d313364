// A wait of 100 ms: GET /external. 10 virtual users have at most 100 answers a second.
import { ask, tasks } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  ask(tasks.external);
}
