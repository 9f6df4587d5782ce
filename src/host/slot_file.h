// What a worker runs, where its death does not reach it: a slot for each run in the file
// WORKER_FILES.slots (for WORKER_FILES see StorePlace::worker_files).
//
// A slot is marked before its run begins, and again when it has ended.  Both are single writes of
// some bytes that nobody syncs: they survive kill -9, which is what they are for.  What a power cut
// leaves of a slot counts only while its checksum is right.  Runs are told by their names (BX_RUN),
// which are never used twice: a slot that says nothing any more is in nobody's way, and nothing that
// lives can be taken for a run of another boot.
//
// One process marks slots: the one that holds the worker's lock.  Others may read them, and keep
// claims that the worker holds (store/run_queue.h) from starting while they decide about them: the
// worker marks, and then asks whether a request is under way; they lock, and then look for marks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"

namespace bx {

// How a run ended.  What is longer than a slot has room for is cut.
struct SlotEnd {
    int result = 0;           // the store's number of it
    std::optional<int> exit{};
    std::string signal{};     // at most 15 bytes
    std::string reason{};     // at most 67 bytes
    Millis ended_at = 0;      // wall time
};

class SlotFile {
public:
    using Place = std::size_t;
    static constexpr std::size_t slots = 1024;  // a worker runs at most 1,000 at a time

    // A slot that was in use when the file was opened.
    struct Found {
        Place place = 0;
        std::uint64_t run = 0;  // key_of its name
        Millis started_at = 0;
        std::optional<SlotEnd> end{};
    };

    // Opens the file, and makes it (0600) where there is none; follows no link.  Throws Error when it
    // is not a file of this user that nobody else can write, or not one of slots; what() ends with
    // the fix.
    explicit SlotFile(const std::string& worker_files);

    // Those that are in use, torn ones left out.  Throws Error.
    std::vector<Found> in_use() const;
    // The keys of the runs that have begun, whatever became of them.  Throws Error.
    std::unordered_set<std::uint64_t> begun() const;

    // The run RUN is about to begin at PLACE, whatever that has held so far.  Throws Error.
    void begin(Place place, const std::string& run, Millis started_at);
    // The run that began at PLACE ended so.  Throws Error.
    void end(Place place, const std::string& run, Millis started_at, const SlotEnd& end);
    // PLACE is of nobody.  Throws Error.
    void clear(Place place);

    // A request is under way as long as one of these lives.
    class Request {
    public:
        // Waits for another one to end: WAIT at most, then it throws Error.
        Request(SlotFile& file, Millis wait);
        ~Request();
        Request(const Request&) = delete;
        Request& operator=(const Request&) = delete;

    private:
        SlotFile& file_;
    };
    bool is_requested() const;       // a request is under way.  Throws Error.
    std::uint64_t requests() const;  // so far.  Throws Error.

    static std::uint64_t key_of(const std::string& run);
    static std::string path_of(const std::string& worker_files);

private:
    struct Slot;
    std::vector<Slot> read() const;
    void write(Place place, Slot slot);

    std::string path_;
    Fd file_;
};

}  // namespace bx
