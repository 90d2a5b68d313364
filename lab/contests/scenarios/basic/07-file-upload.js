// A file of 1,024 bytes in a form: POST /upload.
import { ask, tasks } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  ask(tasks.upload);
}
