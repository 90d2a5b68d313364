// All but uploads at once, in their percentages. Empty and seed the database before and afterwards.
import { any, ask } from '../k6-basic.js';

export { options } from '../k6-basic.js';

export default function () {
  ask(any());
}
