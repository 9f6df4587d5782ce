// How runs ended whose ends are not in the store yet, where the death of their worker does not
// reach it: a slot for each in the file WORKER_FILES.slots (see StorePlace::worker_files).
//
// A slot is written when a run has ended, in a single write of some bytes that nobody syncs: it
// survives kill -9, which is what it is for.  What a power cut leaves of a slot counts only while
// its checksum is right.  Runs are known by their names (BX_RUN), none is used twice: a slot
// whose end is in the store is in nobody's way.
//
// One process writes slots: the one that holds the worker's lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"

namespace bx {

// How a run ended.  What is longer than a slot has room for is cut.
struct SlotEnd {
    int result = 0;           // the store's number of it
    std::optional<int> exit{};
    std::string signal{};     // at most 15 bytes
    std::string reason{};     // at most 75 bytes
    Millis ended_at = 0;      // wall time
};

// What stands where the file belongs cannot be used.  what() ends with the fix.
class UnusableSlots : public Error {
public:
    UnusableSlots(const std::string& path, const std::string& problem, const std::string& fix);
    const std::string& problem() const { return problem_; }  // "others can change it"
    const std::string& fix() const { return fix_; }          // the command

private:
    std::string problem_;
    std::string fix_;
};

class SlotFile {
public:
    using Place = std::size_t;
    using Key = std::uint64_t;  // key_of a run's name
    static constexpr std::size_t slots = 1024;  // a worker runs at most 1,000 at a time

    struct Found {
        Place place = 0;
        Key run = 0;
        SlotEnd end{};
    };

    // Opens the file, and makes it (0600) where there is none; follows no link.  Throws Error:
    // UnusableSlots when it is not a file of this user that nobody else can write, or not one of
    // slots.
    explicit SlotFile(const std::string& worker_files);
    // in_use() of a file that is neither made nor changed; where there is none it is empty.  Throws
    // what the constructor would.
    static std::vector<Found> left_in(const std::string& worker_files);
    // False: it was moved or deleted, or another one is in its place.
    bool is_in_place() const;

    // The slots in use, torn ones left out.  Throws Error.
    std::vector<Found> in_use() const;
    // RUN ended so; that is in PLACE from now on, whatever was there.  Throws Error: what is in
    // PLACE now counts for no run, or for the one before.
    void write(Place place, Key run, const SlotEnd& end);

    static Key key_of(const std::string& run);
    static std::string path_of(const std::string& worker_files);

private:
    SlotFile(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}

    std::string path_;
    Fd file_;
};

}  // namespace bx
