# Fails the build when a level's objects define a weak symbol: the linker keeps one copy of those, and a baseline
# function could then run another level's instructions (illegal instruction on older processors, silent on new ones).
execute_process(COMMAND ${NM} ${OBJECTS} OUTPUT_VARIABLE symbols RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "cannot read the symbols of ${OBJECTS}")
endif()
string(REGEX MATCHALL "[^\n]* [WVu] [^\n]*" weak "${symbols}")
if(weak)
  message(FATAL_ERROR "weak symbols in kernels compiled per instruction-set level: ${weak}")
endif()
