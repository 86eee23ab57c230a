// Blocking verbs with callbacks, called on Node's only thread of JavaScript, by koffi.
const assert = require('node:assert');
const path = require('node:path');
const koffi = require('koffi');

const [library, scratch] = process.argv.slice(2);
const c = koffi.load(library);
const Progress = koffi.proto('int32_t Progress(void *progress, void *user_data)');
const Log = koffi.proto('void Log(int32_t level, const char *line, void *user_data)');
const out = koffi.out(koffi.pointer('void *'));
const f = (name, ...parameters) => c.func(name, 'int32_t', parameters);
const check = (status) => assert.strictEqual(status, 0);
const made = (make) => {
  const place = [null];
  check(make(place));
  return place[0];
};

const options = made((place) => f('cldoci_options_new', out, 'void *')(place, null));
const client = made((place) => f('cldoci_client_new', 'void *', out, 'void *')(null, place, null));
const layout = made((place) =>
  f('cldoci_reference_layout', 'str', 'str', 'void *', out, 'void *')(path.join(scratch, 'node'), 'v1', null, place, null));

let progress = 0;
let lines = 0;
check(f('cldoci_options_set_progress_callback', 'void *', koffi.pointer(Progress), 'void *', 'void *', 'void *')(
  options, koffi.register(() => { progress += 1; return 0; }, koffi.pointer(Progress)), null, null, null));
check(f('cldoci_options_set_log_callback', 'void *', 'int32_t', koffi.pointer(Log), 'void *', 'void *', 'void *')(
  options, 4, koffi.register(() => { lines += 1; }, koffi.pointer(Log)), null, null, null));

check(f('cldoci_build_and_push', 'void *', 'str', 'str', 'void *', 'size_t', 'void *', 'void *', 'void *', 'void *')(
  client, path.join(scratch, 'tree'), 'component', null, 0, layout, options, null, null));
check(f('cldoci_pull', 'void *', 'void *', 'str', 'void *', 'void *', 'void *')(
  client, layout, path.join(scratch, 'node-out'), options, null, null));
assert(progress >= 2 && lines >= 4, `${progress} calls, ${lines} lines`);

check(f('cldoci_reference_free', 'void *')(layout));
check(f('cldoci_client_free', 'void *')(client));
check(f('cldoci_options_free', 'void *')(options));
check(f('cldoci_wait_idle', 'int64_t', 'void *')(10000, null));
