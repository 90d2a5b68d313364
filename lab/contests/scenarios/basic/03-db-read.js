// All 1,000 rows of a table: GET /users.
import { ask, tasks } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  ask(tasks.list);
}
