#include "sqlite/secrets.h"

#include <algorithm>

#include "base/random.h"
#include "sqlite/statements.h"
#include "store/errors.h"

namespace bx::sqlite {

namespace {

constexpr std::size_t slot_unit = 64;
constexpr std::size_t owner_size = 8;   // first, little-endian: whose they are; 0: free
constexpr std::size_t length_size = 4;  // then, the same: how long they are
constexpr std::int64_t looked_at = 4;
constexpr int misses_in_vain = 64;
constexpr int then_every = 8;

std::string encoded(std::uint64_t number, std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(number >> (8 * i) & 0xFF);
    return bytes;
}

std::uint64_t decoded(std::string_view bytes) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    }
    return number;
}

// As a slot has them: whose they are, how long, the secrets, zeros up to a multiple of the unit.
std::string slot_data(std::int64_t owner, std::string_view secrets) {
    std::string data = encoded(static_cast<std::uint64_t>(owner), owner_size) +
                       encoded(secrets.size(), length_size);
    data += secrets;
    data.resize((data.size() + slot_unit - 1) / slot_unit * slot_unit);
    return data;
}

// One that is free among the next few; none: none of these is.
std::optional<std::int64_t> find_free(Database& database, SlotHand& hand, std::size_t size) {
    if (hand.misses >= misses_in_vain && ++hand.misses % then_every != 0) return std::nullopt;
    if (!hand.at || *hand.at >= hand.last) {
        hand.last = database.number(sql::slot_last);
        const auto any = static_cast<std::int64_t>(random_bits() >> 1);
        hand.at = hand.at || hand.last == 0 ? 0 : any % hand.last;
    }
    const std::int64_t end = *hand.at + looked_at;
    const std::optional<std::int64_t> found =
        database.maybe_number(sql::slot_free, *hand.at, end, size);
    hand.at = found.value_or(end);
    hand.misses = found ? 0 : std::min(hand.misses + 1, misses_in_vain);
    return found;
}

}  // namespace

std::optional<std::int64_t> keep_secrets(Database& database, SlotHand& hand, std::int64_t owner,
                                         std::string_view secrets) {
    if (secrets.empty()) return std::nullopt;
    const std::string data = slot_data(owner, secrets);
    if (const auto free = find_free(database, hand, data.size())) {
        database.run(sql::slot_take, *free, Blob{data});
        return free;
    }
    database.run(sql::slot_make, Blob{data});
    return database.last_inserted();
}

std::optional<std::int64_t> replace_secrets(Database& database, SlotHand& hand,
                                            std::optional<std::int64_t> before, std::int64_t owner,
                                            std::string_view secrets) {
    std::string data = slot_data(owner, secrets);
    const auto room =
        static_cast<std::size_t>(before ? database.number(sql::slot_length, *before) : 0);
    if (!secrets.empty() && data.size() <= room) {
        data.resize(room);
        database.run(sql::slot_take, *before, Blob{data});
        return before;
    }
    if (before) erase_secrets(database, *before, owner);
    return keep_secrets(database, hand, owner, secrets);
}

bool erase_secrets(Database& database, std::int64_t slot, std::int64_t owner) {
    const std::string mine = encoded(static_cast<std::uint64_t>(owner), owner_size);
    return database.run(sql::slot_erase, slot, Blob{mine}) > 0;
}

std::optional<std::string> secrets_in(Database& database, std::int64_t slot, std::int64_t owner) {
    Rows rows = database.rows(sql::slot_data, slot);
    const std::string_view data = rows.next() ? rows.view(0) : std::string_view();
    const auto mine = static_cast<std::uint64_t>(owner);
    if (!data.empty() && data.size() % slot_unit == 0) {
        const std::uint64_t of = decoded(data.substr(0, owner_size));
        const std::uint64_t size = decoded(data.substr(owner_size, length_size));
        const std::string_view rest = data.substr(owner_size + length_size);
        if (of == 0 || of > mine) return std::nullopt;
        if (of == mine && size <= rest.size()) return std::string(rest.substr(0, size));
    }
    throw StoreDamaged("its secrets, in slot " + std::to_string(slot) + ", are damaged");
}

}  // namespace bx::sqlite
