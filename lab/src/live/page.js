'use strict';
// Each event has the whole of one part, so that nothing is kept here but what is shown. Texts are set as
// texts; the pictures alone are markup, which the lab has made.
const ABSENT = '–';
const STATES = {
  running: '',
  stopping: 'Stopping: what was started is taken down. ',
  over: 'The run has ended. ',
};
const SILENT = 'The generator tells no figures just now; this is what the meters see.';
const AGAIN_MS = 3000;
const at = (id) => document.getElementById(id);
let running = null;
let rows = { rows: [], omitted: 0 };

function number(value, digits) {
  if (value === null || value === undefined) {
    return ABSENT;
  }
  const rounded = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return value.toLocaleString('en', rounded);
}

// Three digits that mean something; what is absent stays so.
function significant(value) {
  const size = Math.abs(value ?? 0);
  return number(value, size === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

const megabytes = (bytes) => significant(bytes === null || bytes === undefined ? bytes : bytes / 1e6);

function time(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const two = (value) => String(value).padStart(2, '0');
  const tail = `${two(Math.floor(seconds) % 60)}`;
  return hours > 0 ? `${hours}:${two(minutes)}:${tail}` : `${minutes}:${tail}`;
}

function who(key) {
  const load = key.load ? ` in ${key.load}` : '';
  return `${key.contestant}${load}, round ${key.round}`;
}

function element(name, text, kind) {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind ?? '';
  return made;
}

const parts = {
  campaign(it) {
    document.title = `${it.ended} of ${it.planned} – pouco-lab`;
    at('title').textContent = it.title || 'A campaign';
    at('tool').textContent = it.tool;
    at('command').textContent = it.command;
    const goesOn = it.state === 'running' && it.ended < it.planned;
    const least = it.left_at_least ? 'at least' : 'about';
    const left = goesOn ? `; ${least} ${time(it.left_seconds)} to go` : '';
    const ended = `${it.ended} of ${it.planned} attempts have ended in ${time(it.elapsed_seconds)}`;
    at('left').textContent = `${STATES[it.state]}${ended}${left}.`;
    at('progress').max = Math.max(it.planned, 1);
    at('progress').value = it.ended;
    const soon = it.next_in_seconds === null ? '' : ` in about ${time(it.next_in_seconds)}`;
    at('next').textContent = it.next && it.state === 'running' ? `Next: ${who(it.next)}${soon}.` : '';
    document.body.dataset.state = it.state;
  },
  now(it) {
    running = it;
    at('now-title').textContent = it ? `Now: ${who(it)}` : 'Now: nobody';
    const silent = it !== null && it.metered && !it.told;
    at('silence').hidden = !silent;
    at('silence').textContent = silent ? SILENT : '';
    const shown = [];
    if (it?.told) {
      const left = it.load_left_seconds > 0 ? time(it.load_left_seconds) : 'done';
      shown.push(['Requests/s', significant(it.requests_per_second)], ['p99, ms', significant(it.p99_ms)]);
      shown.push(['Users/s, of those asked for', users(it)], ['Failed so far', number(it.failed, 0)]);
      shown.push(['Load left', left]);
    }
    if (it?.metered) {
      shown.push(['CPU, cores', number(it.cpus, 2)], ['Memory, MB', megabytes(it.memory_bytes)]);
    }
    if (it) {
      shown.push(['Since its start', time(it.elapsed_seconds)]);
    }
    const boxes = shown.map(([name, value]) => {
      const box = document.createElement('div');
      box.append(element('dt', name), element('dd', value));
      return box;
    });
    at('now').replaceChildren(...boxes);
    table();
  },
  course(html) {
    at('course').innerHTML = html;
    at('keys').hidden = at('course').querySelector('.answers') === null;
  },
  steps(lines) {
    at('steps').replaceChildren(...lines.map((line) => element('li', line)));
  },
  attempts(it) {
    rows = it;
    table();
  },
};

// Clients of a closed loop are asked for at no rate.
function users(it) {
  const of = it.users_asked_per_second > 0 ? ` of ${significant(it.users_asked_per_second)}` : '';
  return `${significant(it.users_per_second)}${of}`;
}

function outcome(row) {
  const ended = row.state === 'ended' ? row.words : `${row.words} (before)`;
  return { waiting: 'waits', running: 'runs' }[row.state] ?? ended;
}

function figures(row) {
  if (row.state === 'running') {
    const it = running ?? {};
    return cells(it, `${number(it.cpus, 2)} cores`);
  }
  return cells(row, `${significant(row.cpu_seconds)} s`);
}

function cells(it, cpu) {
  const [rate, p99] = [significant(it.requests_per_second), significant(it.p99_ms)];
  const used = cpu.startsWith(ABSENT) ? ABSENT : cpu;
  return [rate, p99, used, megabytes(it.memory_bytes), number(it.failed, 0)];
}

function table() {
  const lines = rows.rows.map((row) => {
    const line = element('tr', '', row.state);
    const name = element('th', row.contestant);
    name.scope = 'row';
    line.append(name, element('td', row.load ?? ABSENT), element('td', row.round, 'number'));
    line.append(...figures(row).map((value) => element('td', value, 'number')));
    const cell = element('td', '', row.tone);
    cell.append(element('span', outcome(row), 'main'));
    line.append(cell);
    return line;
  });
  at('attempts').replaceChildren(...lines);
  at('omitted').textContent = rows.omitted > 0 ? `${rows.omitted} more attempts are not shown.` : '';
}

function connection(text, kind) {
  at('connection').textContent = text;
  at('connection').className = kind;
}

function connect() {
  const events = new EventSource('events');
  events.onopen = () => connection('live', '');
  events.onerror = () => {
    const over = document.body.dataset.state === 'over';
    connection(over ? 'the lab has ended' : 'no connection; trying again', over ? '' : 'bad');
    // It tries again by itself, but not after an answer that is not a stream, as one viewer too many gets.
    if (events.readyState === EventSource.CLOSED) {
      setTimeout(connect, AGAIN_MS);
    }
  };
  for (const [name, show] of Object.entries(parts)) {
    events.addEventListener(name, (event) => show(JSON.parse(event.data)));
  }
}

connect();
