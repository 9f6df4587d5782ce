#include "host/slot_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string_view>
#include <thread>
#include <type_traits>

#include "base/error.h"
#include "base/siphash.h"

namespace bx {

// As this machine has it in memory; another layout is another format.
struct SlotFile::Slot {
    std::uint64_t check = 0;  // of the rest
    std::uint64_t run = 0;
    std::int64_t started_at = 0;
    std::int64_t ended_at = 0;
    std::uint32_t state = 0;
    std::int32_t result = 0;
    std::int32_t exit = 0;
    std::array<char, 16> signal{};
    std::array<char, 68> reason{};
};

namespace {

constexpr std::string_view format = "bxslot1\n";
constexpr std::size_t slot_size = 128;  // divides a page, so that none is on two
constexpr off_t requests_at = format.size();
constexpr std::size_t first_slot = slot_size;
constexpr std::size_t file_size = first_slot + SlotFile::slots * slot_size;

constexpr std::uint32_t state_free = 0, state_running = 1, state_ended = 2;
constexpr std::int32_t no_exit = -1;
constexpr std::chrono::milliseconds lock_step{1};

template <typename Slot>
std::string_view bytes_of(const Slot& slot) {
    static_assert(sizeof(Slot) == slot_size && std::is_trivially_copyable_v<Slot>);
    return {reinterpret_cast<const char*>(&slot), sizeof slot};
}

// It tells what is torn, not what is forged.
template <typename Slot>
std::uint64_t check_of(const Slot& slot) {
    return siphash(SipKey{5, 6}, bytes_of(slot).substr(sizeof slot.check));
}

template <std::size_t size>
std::string text_of(const std::array<char, size>& field) {
    return {field.begin(), std::find(field.begin(), field.end(), '\0')};
}

template <std::size_t size>
void put(std::array<char, size>& field, const std::string& text) {
    std::memcpy(field.data(), text.data(), std::min(text.size(), size - 1));
}

constexpr off_t offset_of(SlotFile::Place place) {
    return static_cast<off_t>(first_slot + place * slot_size);
}

// Throws Error for what we would not write to.
void require_own_file(int fd, const std::string& what) {
    struct stat info {};
    if (::fstat(fd, &info) != 0) throw_errno(what);
    if (!S_ISREG(info.st_mode)) throw Error(what + ": it is not a file; remove it");
    if (info.st_uid != ::geteuid()) throw Error(what + ": it belongs to another user; remove it");
    if ((info.st_mode & 022) != 0) throw Error(what + ": others can change it; remove it");
}

// Makes an empty file one of slots.  Throws Error for one that is something else.
void require_format(int fd, const std::string& what) {
    std::array<char, format.size()> found{};
    const ssize_t got = ::pread(fd, found.data(), found.size(), 0);
    if (got < 0) throw_errno(what);
    if (got > 0 && std::string_view(found.data(), static_cast<std::size_t>(got)) != format) {
        throw Error(what + ": it is something else; move it away");
    }
    // What is missing reads as zeros, and those are free slots.
    if (got == 0 && ::pwrite(fd, format.data(), format.size(), 0) < 0) throw_errno(what);
    if (::ftruncate(fd, file_size) != 0) throw_errno(what);
}

}  // namespace

SlotFile::SlotFile(const std::string& worker_files) : path_(path_of(worker_files)) {
    const std::string what = "cannot use '" + path_ + "'";
    constexpr int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    file_ = Fd(::open(path_.c_str(), flags, 0600));
    if (!file_ && errno == ELOOP) throw Error(what + ": it is a link; remove it");
    if (!file_) throw_errno(what);
    require_own_file(file_.get(), what);
    require_format(file_.get(), what);
}

std::vector<SlotFile::Slot> SlotFile::read() const {
    std::vector<Slot> all(slots);
    const std::size_t size = slots * slot_size;
    const ssize_t got = ::pread(file_.get(), all.data(), size, offset_of(0));
    if (got < 0) throw_errno("cannot read '" + path_ + "'");
    return all;
}

std::vector<SlotFile::Found> SlotFile::in_use() const {
    std::vector<Found> found;
    const std::vector<Slot> all = read();
    for (Place place = 0; place < all.size(); ++place) {
        const Slot& slot = all[place];
        if (slot.state == state_free || slot.check != check_of(slot)) continue;
        Found& one = found.emplace_back(Found{place, slot.run, slot.started_at});
        if (slot.state != state_ended) continue;
        one.end = SlotEnd{.result = slot.result,
                          .signal = text_of(slot.signal),
                          .reason = text_of(slot.reason),
                          .ended_at = slot.ended_at};
        if (slot.exit != no_exit) one.end->exit = slot.exit;
    }
    return found;
}

// One that is being written at this moment counts too: what it says of its run stays the same.
std::unordered_set<std::uint64_t> SlotFile::begun() const {
    std::unordered_set<std::uint64_t> runs;
    for (const Slot& slot : read()) {
        if (slot.state != state_free) runs.insert(slot.run);
    }
    return runs;
}

void SlotFile::begin(Place place, const std::string& run, Millis started_at) {
    Slot slot;
    slot.run = key_of(run);
    slot.started_at = started_at;
    slot.state = state_running;
    write(place, slot);
}

void SlotFile::end(Place place, const std::string& run, Millis started_at, const SlotEnd& end) {
    Slot slot;
    slot.run = key_of(run);
    slot.started_at = started_at;
    slot.ended_at = end.ended_at;
    slot.state = state_ended;
    slot.result = end.result;
    slot.exit = end.exit.value_or(no_exit);
    put(slot.signal, end.signal);
    put(slot.reason, end.reason);
    write(place, slot);
}

void SlotFile::clear(Place place) { write(place, Slot()); }

void SlotFile::write(Place place, Slot slot) {
    slot.check = check_of(slot);
    const std::string_view bytes = bytes_of(slot);
    if (::pwrite(file_.get(), bytes.data(), bytes.size(), offset_of(place)) < 0) {
        throw_errno("cannot write '" + path_ + "'");
    }
}

// -- Requests

SlotFile::Request::Request(SlotFile& file, Millis wait) : file_(file) {
    const std::string what = "cannot lock '" + file.path_ + "'";
    const Millis end = steady_now() + wait;
    while (::flock(file.file_.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) throw_errno(what);
        if (steady_now() >= end) throw Error(what + ": another request takes too long");
        std::this_thread::sleep_for(lock_step);
    }
    const std::uint64_t count = file.requests() + 1;
    const ssize_t put = ::pwrite(file.file_.get(), &count, sizeof count, requests_at);
    if (put != sizeof count) {
        const int code = errno;
        ::flock(file.file_.get(), LOCK_UN);
        throw system_error("cannot write '" + file.path_ + "'", code);
    }
}

SlotFile::Request::~Request() { ::flock(file_.file_.get(), LOCK_UN); }

bool SlotFile::is_requested() const {
    if (::flock(file_.get(), LOCK_SH | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK || errno == EINTR) return true;
        throw_errno("cannot lock '" + path_ + "'");
    }
    ::flock(file_.get(), LOCK_UN);
    return false;
}

std::uint64_t SlotFile::requests() const {
    std::uint64_t count = 0;
    if (::pread(file_.get(), &count, sizeof count, requests_at) != sizeof count) {
        throw_errno("cannot read '" + path_ + "'");
    }
    return count;
}

// Runs' names are random: the key may be known.
std::uint64_t SlotFile::key_of(const std::string& run) { return siphash(SipKey{7, 8}, run); }

std::string SlotFile::path_of(const std::string& worker_files) { return worker_files + ".slots"; }

}  // namespace bx
