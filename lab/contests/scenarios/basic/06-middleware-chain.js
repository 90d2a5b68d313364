// A token and an id of the request: GET /protected.
import { ask, tasks } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  ask(tasks.protect);
}
