// A document that is read and written: POST /echo.
import { echo } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  echo();
}
