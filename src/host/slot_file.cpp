#include "host/slot_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "base/siphash.h"

namespace bx {

namespace {

constexpr std::string_view format = "bxslot1\n";
constexpr std::size_t slot_size = 128;  // divides a page, so that none is on two
constexpr std::size_t first_slot = slot_size;
constexpr std::size_t file_size = first_slot + SlotFile::slots * slot_size;

constexpr std::int32_t no_exit = -1;

// As this machine has it in memory; another layout is another format.
struct Slot {
    std::uint64_t check = 0;  // of the rest
    SlotFile::Key run = 0;
    std::int64_t ended_at = 0;
    std::uint32_t used = 0;
    std::int32_t result = 0;
    std::int32_t exit = no_exit;
    std::array<char, 16> signal{};
    std::array<char, 76> reason{};
};
static_assert(sizeof(Slot) == slot_size && std::is_trivially_copyable_v<Slot>);

std::string_view bytes_of(const Slot& slot) {
    return {reinterpret_cast<const char*>(&slot), sizeof slot};
}

// It tells what is torn, not what is forged.
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

std::vector<SlotFile::Found> SlotFile::in_use() const {
    std::vector<Slot> all(slots);
    const ssize_t got = ::pread(file_.get(), all.data(), slots * slot_size, offset_of(0));
    if (got < 0) throw_errno("cannot read '" + path_ + "'");
    std::vector<Found> found;
    for (Place place = 0; place < all.size(); ++place) {
        const Slot& slot = all[place];
        if (slot.used == 0 || slot.check != check_of(slot)) continue;
        Found& one = found.emplace_back(Found{place, slot.run});
        one.end = {.result = slot.result,
                   .signal = text_of(slot.signal),
                   .reason = text_of(slot.reason),
                   .ended_at = slot.ended_at};
        if (slot.exit != no_exit) one.end.exit = slot.exit;
    }
    return found;
}

void SlotFile::write(Place place, Key run, const SlotEnd& end) {
    Slot slot;
    slot.run = run;
    slot.ended_at = end.ended_at;
    slot.used = 1;
    slot.result = end.result;
    slot.exit = end.exit.value_or(no_exit);
    put(slot.signal, end.signal);
    put(slot.reason, end.reason);
    slot.check = check_of(slot);
    const std::string_view bytes = bytes_of(slot);
    if (::pwrite(file_.get(), bytes.data(), bytes.size(), offset_of(place)) < 0) {
        throw_errno("cannot write '" + path_ + "'");
    }
}

// Runs' names are random: the key may be known.
SlotFile::Key SlotFile::key_of(const std::string& run) { return siphash(SipKey{7, 8}, run); }

std::string SlotFile::path_of(const std::string& worker_files) { return worker_files + ".slots"; }

}  // namespace bx
