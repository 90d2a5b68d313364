// The smallest answer there is: GET /health.
import { health } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  health();
}
