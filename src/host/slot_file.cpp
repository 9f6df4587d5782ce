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

#include "base/shell.h"
#include "base/siphash.h"
#include "host/file_id.h"

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

std::string move_away(const std::string& path) {
    return "mv -nT " + shell_word(path) + " " + shell_word(path + ".old");
}

// None: there is none, and FLAGS has no O_CREAT.  Throws Error for what we would not write to.
Fd open_own_file(const std::string& path, int flags) {
    Fd fd(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | flags, 0600));
    if (!fd && errno == ELOOP) throw UnusableSlots(path, "it is a link", move_away(path));
    if (!fd && errno == ENOENT && (flags & O_CREAT) == 0) return fd;
    if (!fd) throw_errno("cannot use '" + path + "'");
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) throw_errno("cannot use '" + path + "'");
    if (!S_ISREG(info.st_mode)) throw UnusableSlots(path, "it is not a file", move_away(path));
    if (info.st_uid != ::geteuid()) {
        throw UnusableSlots(path, "it belongs to another user", move_away(path));
    }
    if ((info.st_mode & 022) != 0) {
        throw UnusableSlots(path, "others can change it", "chmod go-w " + shell_word(path));
    }
    return fd;
}

// False: the file is to be made one of slots.  That is an empty one, and one that begins with
// zeros: a power cut may leave it so, and who empties it while its worker writes.  Throws Error for
// one that is something else.
bool has_format(int fd, const std::string& path) {
    std::array<char, format.size()> found{};
    const ssize_t got = ::pread(fd, found.data(), found.size(), 0);
    if (got < 0) throw_errno("cannot read '" + path + "'");
    if (std::ranges::all_of(found, [](char byte) { return byte == '\0'; })) return false;
    if (std::string_view(found.data(), found.size()) == format) return true;
    throw UnusableSlots(path, "it is something else", move_away(path));
}

// A few bytes into memory are written whole, or there is no room for them.
void write_whole(int fd, std::string_view bytes, off_t offset, const std::string& path) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (put < 0) throw_errno("cannot write '" + path + "'");
    if (static_cast<std::size_t>(put) < bytes.size()) {
        throw system_error("cannot write '" + path + "'", ENOSPC);
    }
}

}  // namespace

UnusableSlots::UnusableSlots(const std::string& path, const std::string& problem,
                             const std::string& fix)
    : Error("cannot use '" + path + "': " + problem + ": " + fix), problem_(problem), fix_(fix) {}

SlotFile::SlotFile(const std::string& worker_files)
    : path_(path_of(worker_files)), file_(open_own_file(path_, O_CREAT)) {
    if (!has_format(file_.get(), path_)) write_whole(file_.get(), format, 0, path_);
    // What is missing reads as zeros, and those are free slots.
    if (::ftruncate(file_.get(), file_size) != 0) throw_errno("cannot write '" + path_ + "'");
}

std::vector<SlotFile::Found> SlotFile::left_in(const std::string& worker_files) {
    std::string path = path_of(worker_files);
    Fd file = open_own_file(path, 0);
    if (!file) return {};
    has_format(file.get(), path);
    return SlotFile(std::move(path), std::move(file)).in_use();
}

bool SlotFile::is_in_place() const { return !is_gone(path_, file_id(file_.get())); }

std::vector<SlotFile::Found> SlotFile::in_use() const {
    std::vector<Slot> all(slots);
    const ssize_t got = ::pread(file_.get(), all.data(), slots * slot_size, offset_of(0));
    if (got < 0) throw_errno("cannot read '" + path_ + "'");  // what is missing is free
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
    write_whole(file_.get(), bytes_of(slot), offset_of(place), path_);
}

// Runs' names are random: the key may be known.
SlotFile::Key SlotFile::key_of(const std::string& run) { return siphash(SipKey{7, 8}, run); }

std::string SlotFile::path_of(const std::string& worker_files) { return worker_files + ".slots"; }

}  // namespace bx
