# Blocking verbs with callbacks, called with Ruby's lock held: no `blocking: true`.
require 'ffi'

module Cldoci
  extend FFI::Library
  ffi_lib ARGV[0]
  callback :progress, %i[pointer pointer], :int32
  callback :log, %i[int32 string pointer], :void
  attach_function :cldoci_options_new, %i[pointer pointer], :int32
  attach_function :cldoci_options_set_progress_callback, %i[pointer progress pointer pointer pointer], :int32
  attach_function :cldoci_options_set_log_callback, %i[pointer int32 log pointer pointer pointer], :int32
  attach_function :cldoci_client_new, %i[pointer pointer pointer], :int32
  attach_function :cldoci_reference_layout, %i[string string string pointer pointer], :int32
  attach_function :cldoci_build_and_push,
                  %i[pointer string string pointer size_t pointer pointer pointer pointer], :int32
  attach_function :cldoci_pull, %i[pointer pointer string pointer pointer pointer], :int32
  attach_function :cldoci_client_free, %i[pointer], :int32
  attach_function :cldoci_options_free, %i[pointer], :int32
  attach_function :cldoci_reference_free, %i[pointer], :int32
  attach_function :cldoci_wait_idle, %i[int64 pointer], :int32
end

def check(status)
  raise "status #{status}" unless status.zero?
end

def made
  place = FFI::MemoryPointer.new(:pointer)
  check(yield(place))
  place.read_pointer
end

scratch = ARGV[1]
progress = lines = 0
options = made { |place| Cldoci.cldoci_options_new(place, nil) }
client = made { |place| Cldoci.cldoci_client_new(nil, place, nil) }
layout = made { |place| Cldoci.cldoci_reference_layout("#{scratch}/ruby", 'v1', nil, place, nil) }
on_progress = proc { progress += 1; 0 }
on_line = proc { lines += 1 }
check(Cldoci.cldoci_options_set_progress_callback(options, on_progress, nil, nil, nil))
check(Cldoci.cldoci_options_set_log_callback(options, 4, on_line, nil, nil, nil))
check(Cldoci.cldoci_build_and_push(client, "#{scratch}/tree", 'component', nil, 0, layout, options, nil, nil))
check(Cldoci.cldoci_pull(client, layout, "#{scratch}/ruby-out", options, nil, nil))
raise "#{progress} calls, #{lines} lines" unless progress >= 2 && lines >= 4

check(Cldoci.cldoci_reference_free(layout))
check(Cldoci.cldoci_client_free(client))
check(Cldoci.cldoci_options_free(options))
check(Cldoci.cldoci_wait_idle(10_000, nil))
