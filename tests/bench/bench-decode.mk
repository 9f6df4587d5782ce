# Decoding of hostile bodies: time and memory, ours beside PHP's and cgicc's.  MB= sets the size.

MB = 64

.PHONY: bench-decode

bench-decode: $(BUILD)/bench-decode
	/usr/bin/python3 tests/bench/decode.py $(BUILD)/bench-decode $(MB)

$(BUILD)/bench-decode: $(BUILD)/tests/bench/decode.o $(LIB_OBJ)
	$(Q_LINK)$(CXX) $(ALL_CXXFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(DEPS_LIBS) $(LIBS)

-include $(BUILD)/tests/bench/decode.d
