// A token and an id of the request: GET /protected.
import { protect } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  protect();
}
