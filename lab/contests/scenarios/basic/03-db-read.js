// All 1,000 rows of a table: GET /users.
import { list } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  list();
}
