// The smallest answer there is: GET /health.
import { ask, tasks } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  ask(tasks.health);
}
