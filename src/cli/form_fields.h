// A form as the list of its fields, to be changed one by one and written as Bitrix24 writes it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "form/tree.h"

namespace bx {

// data[FIELDS][ID]=7: the keys {"data", "FIELDS", "ID"} and the value.
struct FormField {
    std::vector<std::string> keys;
    std::string value;
};

class FormFields {
public:
    FormFields() = default;
    // All scalars of TREE in order.
    explicit FormFields(const Tree& tree);

    // Gives the field at the dotted PATH that value.  A new one is put behind the fields that share
    // most of its path; a scalar on the way to it, or fields below it, make room.
    void set(std::string_view path, std::string_view value);
    // Takes away the field at PATH and all below it; false when there is none.
    bool unset(std::string_view path);

    // As PHP's http_build_query() encodes it.  With HIDE_SECRETS the values of secret keys are ***.
    std::string encode(bool hide_secrets = false) const;

private:
    std::vector<FormField> fields_;
};

}  // namespace bx
