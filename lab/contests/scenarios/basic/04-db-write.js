// A new row each time: POST /users. Empty and seed the database afterwards.
import { ask, tasks } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  ask(tasks.create);
}
