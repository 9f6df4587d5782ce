// How events, deliveries, attempts and workers are worded.  Every text here is one printable line
// without secrets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "store/records.h"

namespace bx {

// Of a row of `list`.
std::string row_state(const ListRow& row);
// Why it is in this state, or what it waits for, with what View::add_causes has found; empty when
// there is nothing to say.
std::string row_note(const ListRow& row, Millis now);

// "2/12"
std::string tries(const DeliveryRecord& delivery);
// What a delivery waits for, why it failed, what it was merged into.
std::string note_of(const DeliveryRecord& delivery, Millis now);
// "attempt 2 of 12, in 15s: exit 1"
std::string progress_of(const DeliveryRecord& delivery, Millis now);

// "exit 75", "SIGKILL", "timeout: SIGTERM", "unsafe permissions"; empty for a good one.
std::string outcome_of(const AttemptRecord& attempt);
// "exit 75, 3s ago, took 412ms"
std::string course_of(const AttemptRecord& attempt, Millis now);
// "1024 bytes", and how many of them are kept when that is not all.
std::string size_of(const Output& output);

// "pid 7 on web1, version 1.0.0, started 2d ago, running 3"
std::string summary_of(const WorkerRecord& worker, Millis now);

// "1 delivery", "2 deliveries"
std::string counted(std::int64_t count, std::string_view one, std::string_view many);

// "2026-11-21T01:36:28.123Z (2d ago)"
std::string moment_text(Millis moment, Millis now);
// "2026-11-21 03:36", in the zone of this process: `list --from` takes it back.
std::string local_time(Millis moment);
// "3m ago"; from an hour on the local time, of the last day without the date: "03:36".
std::string received_text(Millis moment, Millis now);

}  // namespace bx
