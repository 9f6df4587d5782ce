# What the time of a refusal tells about token and portal.  ROUNDS= sets the samples of each kind.

.PHONY: bench-gate

bench-gate: $(BUILD)/gate-timing
	$(BUILD)/gate-timing $(ROUNDS)

$(BUILD)/gate-timing: $(BUILD)/tests/bench/gate_timing.o $(LIB_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(LIBS)

-include $(BUILD)/tests/bench/gate_timing.d
