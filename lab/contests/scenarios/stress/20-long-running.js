// The mix of 08 for five minutes or more, on a table that does not grow: who is created is deleted again.
// Memory, descriptors and connections are the lab's matter; here every answer is checked.
import http from 'k6/http';
import { check } from 'k6';
import { answered, any, body, send, tasks, url } from '../k6-basic.js';

export const options = {
  vus: Number(__ENV.VUS || 10),
  duration: __ENV.DURATION || '300s',
  thresholds: { checks: ['rate==1'] },
};

export default function () {
  const make = any();
  const { task, response } = send(make);
  if (answered(task, response) && make === tasks.create) {
    const gone = http.del(`${url}/users/${body(response).id}`, null, { tags: { name: '/users/N' } });
    check(gone, { 'who was created is deleted': (it) => it.status === 204 });
  }
}
