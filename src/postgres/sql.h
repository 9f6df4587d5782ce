// The functions of the database, as sql/*.sql has them: of each a struct of its name, with the
// numbers of its parameters (`In`) and of the columns that it gives (`Out`), and the statement that
// calls it.  A function that gives a single value has it in column 0.
//
//   Call<sql::wake_others> call;
//   call[sql::wake_others::In::owner] = session.owner();
#pragma once

#include <string_view>
#include <utility>

#include "postgres/link.h"
#include "store/installation.h"

namespace bx::postgres {

namespace sql {

#include "postgres_sql.inc"

}  // namespace sql

// The values for a call.  Those that are not set are NULL.
template <typename Function>
class Call {
public:
    Call() : values_(Function::In::width, Param::null()) {}

    Param& operator[](int parameter) { return values_[static_cast<std::size_t>(parameter)]; }
    const Params& values() const { return values_; }
    static constexpr std::string_view text() { return Function::text; }

private:
    Params values_;
};

}  // namespace bx::postgres
