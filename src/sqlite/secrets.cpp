#include "sqlite/secrets.h"

#include <algorithm>

#include "store/errors.h"

namespace bx::sqlite {

namespace {

constexpr std::size_t slot_unit = 64;
constexpr std::size_t length_size = 4;  // before the secrets, little-endian: how long they are

}  // namespace

std::optional<std::int64_t> keep_secrets(Database& database, std::string_view secrets) {
    if (secrets.empty()) return std::nullopt;
    std::string data(length_size, '\0');
    for (std::size_t i = 0; i < length_size; ++i) {
        data[i] = static_cast<char>(secrets.size() >> (8 * i) & 0xFF);
    }
    data += secrets;
    data.resize((data.size() + slot_unit - 1) / slot_unit * slot_unit);

    const std::int64_t free = database.number(
        "SELECT slot FROM free_slot WHERE size = ? ORDER BY slot LIMIT 1", {data.size()});
    if (free == 0) {
        database.run("INSERT INTO slot (data) VALUES (?)", {Blob{data}});
        return database.last_inserted();
    }
    database.run("DELETE FROM free_slot WHERE size = ? AND slot = ?", {data.size(), free});
    if (database.run("UPDATE slot SET data = ?2 WHERE slot = ?1", {free, Blob{data}}) == 0) {
        database.run("INSERT INTO slot (slot, data) VALUES (?1, ?2)", {free, Blob{data}});
    }
    return free;
}

void erase_slot(Database& database, std::int64_t slot) {
    const std::int64_t size =
        database.number("SELECT length(data) FROM slot WHERE slot = ?", {slot});
    database.run("UPDATE slot SET data = zeroblob(?2) WHERE slot = ?1", {slot, size});
    database.run("INSERT OR IGNORE INTO free_slot (size, slot) VALUES (?, ?)", {size, slot});
}

std::string secrets_in(Database& database, std::int64_t slot) {
    Rows rows = database.rows("SELECT data FROM slot WHERE slot = ?", {slot});
    std::string data = rows.next() ? rows.text(0) : std::string();
    std::size_t size = 0;
    for (std::size_t i = 0; i < std::min(length_size, data.size()); ++i) {
        size |= static_cast<std::size_t>(static_cast<unsigned char>(data[i])) << (8 * i);
    }
    if (data.size() < length_size || size > data.size() - length_size) {
        throw StoreDamaged("its secrets, in slot " + std::to_string(slot) + ", are damaged");
    }
    return data.substr(length_size, size);
}

}  // namespace bx::sqlite
