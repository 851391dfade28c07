# cmake -DPROGRAM= -DNAME= -DSEEDS= -DREPORT= -P expect_objection.cmake: the mutant must be objected to,
# by the simulation or by uniqd itself, which then ends the process.
file(REMOVE ${REPORT})
execute_process(COMMAND ${PROGRAM} --seeds ${SEEDS} TIMEOUT 120
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors)
string(REGEX MATCH "FAILED seed [0-9]+: [^\n]*" objection "${output}")
if(NOT result EQUAL 1)
  string(REGEX MATCH "broken promise: [^.\n]*" objection "${errors}")
endif()
if(objection STREQUAL "")
  message(FATAL_ERROR "The mutant ${NAME} survives ${SEEDS} (${result}): ${errors}${output}")
endif()
string(REPLACE "FAILED " "" objection "${objection}")
message("killed ${NAME}: ${objection}")
file(WRITE ${REPORT} "${objection}\n")
