//! Which tables of tenants a statement leaves open. A table is bound where each row it gives must
//! have the `org_id` of a parameter, of a bound table, or of rows that were found before: a CTE, a
//! sub-select or a function, which are held to the same. So what a CTE or a sub-select names
//! `org_id` must be a parameter, as in `WITH given AS (SELECT $1::uuid AS org_id, ..)`, or an org.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Delete, Expr, FromTable, Insert, JoinConstraint, JoinOperator, ObjectName, Query, Select,
    SelectItem, SetExpr, Statement, TableFactor, TableObject, TableWithJoins, Update, UpdateTableFromKind,
    Value, Visit as _, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

/// The column by which rows belong to an org.
const ORG: &str = "org_id";

/// The names of the tables that hold tenants' rows.
pub struct Tenants(HashSet<String>);

impl Tenants {
    /// `orgs` is one of them: a tenant's own row.
    pub fn named(tables: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(tables.into_iter().map(Into::into).chain(["orgs".to_owned()]).collect())
    }

    fn holds(&self, table: &str) -> bool {
        self.0.contains(table)
    }
}

/// The tables that are read or written without being bound, in the order they are met.
pub fn unbound(statement: &str, tenants: &Tenants) -> Vec<String> {
    // The parser knows no weaker locks.
    let text = statement.replace("FOR NO KEY UPDATE", "FOR UPDATE").replace("FOR KEY SHARE", "FOR SHARE");
    let parsed = Parser::parse_sql(&PostgreSqlDialect {}, &text)
        .unwrap_or_else(|error| panic!("cannot be read ({error}): {text}"));
    let mut aliases = Aliases { tenants, tables: HashMap::new() };
    let _ = parsed.visit(&mut aliases);
    let mut check = Check { tenants, outer: aliases.tables, unbound: Vec::new() };
    let _ = parsed.visit(&mut check);
    check.unbound
}

/// Every table of tenants in a statement by the name it goes by, for columns of an outer scope.
struct Aliases<'t> {
    tenants: &'t Tenants,
    tables: HashMap<String, String>,
}

impl Visitor for Aliases<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let relation = Relation::of(factor);
        if relation.is_table(self.tenants) {
            self.tables.insert(relation.alias, relation.table);
        }
        ControlFlow::Continue(())
    }
}

struct Check<'t> {
    tenants: &'t Tenants,
    outer: HashMap<String, String>,
    unbound: Vec<String>,
}

impl Visitor for Check<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        self.scope(&select.from, select.selection.as_ref());
        self.unbound.extend(select.projection.iter().filter_map(false_org));
        ControlFlow::Continue(())
    }

    fn pre_visit_statement(&mut self, statement: &Statement) -> ControlFlow<()> {
        match statement {
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Query(_) => {}
            // Of every org's rows at once.
            Statement::Lock(lock) => {
                let tables = lock.tables.iter().map(|table| table.name.to_string());
                self.unbound.extend(tables.filter(|table| self.tenants.holds(table)));
            }
            _ => panic!("a new kind of statement: teach `Check` about it: {statement}"),
        }
        ControlFlow::Continue(())
    }
}

impl Check<'_> {
    fn update(&mut self, update: &Update) {
        let mut from = vec![update.table.clone()];
        if let Some(UpdateTableFromKind::AfterSet(more) | UpdateTableFromKind::BeforeSet(more)) = &update.from
        {
            from.extend(more.iter().cloned());
        }
        self.scope(&from, update.selection.as_ref());
    }

    fn delete(&mut self, delete: &Delete) {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let from: Vec<_> = from.iter().chain(delete.using.iter().flatten()).cloned().collect();
        self.scope(&from, delete.selection.as_ref());
    }

    /// What is inserted has an org that is given or was found.
    fn insert(&mut self, insert: &Insert) {
        let TableObject::TableName(table) = &insert.table else { return };
        let table = last(table);
        if table == "orgs" || !self.tenants.holds(&table) {
            return;
        }
        let place = insert.columns.iter().position(|column| last(column) == ORG);
        let given = place.and_then(|place| values(insert.source.as_deref()?, place));
        if !given
            .is_some_and(|given| is_parameter(&given) || column(&given).is_some_and(|(_, name)| name == ORG))
        {
            self.unbound.push(table);
        }
    }

    /// Judges the tables of one FROM by the conditions that hold for all of its rows.
    fn scope(&mut self, from: &[TableWithJoins], selection: Option<&Expr>) {
        let mut scope = Scope { relations: Vec::new(), equal: Vec::new() };
        for tables in from {
            scope.relations.push(Relation::of(&tables.relation));
            for join in &tables.joins {
                scope.relations.push(Relation::of(&join.relation));
                let joined = scope.relations.len() - 1;
                match &join.join_operator {
                    JoinOperator::Join(on) | JoinOperator::Inner(on) => scope.join(on, None),
                    // Says which rows are joined, and leaves all others their places.
                    JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => scope.join(on, Some(joined)),
                    _ => {}
                }
            }
        }
        if let Some(selection) = selection {
            scope.note(selection, None);
        }
        let bound = scope.bound(self.tenants, &self.outer);
        let open = scope.relations.into_iter().zip(bound).filter(|(_, is_bound)| !is_bound);
        self.unbound.extend(open.map(|(relation, _)| relation.table));
    }
}

/// What a FROM names, and what must be equal in its rows.
struct Scope {
    relations: Vec<Relation>,
    equal: Vec<Equality>,
}

/// Two sides that are equal.
struct Equality {
    sides: [Expr; 2],
    /// Whom alone it says something of, where it is not all.
    of: Option<usize>,
}

impl Scope {
    fn join(&mut self, constraint: &JoinConstraint, of: Option<usize>) {
        match constraint {
            JoinConstraint::On(on) => self.note(on, of),
            JoinConstraint::Using(columns) => self.share(columns, of),
            _ => {}
        }
    }

    /// Notes the equalities of a condition: of its conjunction, not of alternatives.
    fn note(&mut self, condition: &Expr, of: Option<usize>) {
        match condition {
            Expr::Nested(inner) => self.note(inner, of),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.note(left, of);
                self.note(right, of);
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right }
            | Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. } => {
                self.equal.push(Equality { sides: [(**left).clone(), (**right).clone()], of });
            }
            _ => {}
        }
    }

    /// `USING (org_id, ..)`: the table that joins has the org of those before it.
    fn share(&mut self, columns: &[ObjectName], of: Option<usize>) {
        let Some((last_one, before)) = self.relations.split_last() else { return };
        if columns.iter().any(|column| last(column) == ORG) {
            let org = |relation: &Relation| {
                Expr::CompoundIdentifier(vec![relation.alias.as_str().into(), ORG.into()])
            };
            let equal = before.iter().map(|other| Equality { sides: [org(other), org(last_one)], of });
            self.equal.extend(equal);
        }
    }

    /// For each relation whether it is bound; what is no table of tenants is.
    fn bound(&self, tenants: &Tenants, outer: &HashMap<String, String>) -> Vec<bool> {
        let mut bound: Vec<_> = self.relations.iter().map(|relation| !relation.is_table(tenants)).collect();
        loop {
            let more: Vec<_> =
                (0..bound.len()).filter(|at| !bound[*at] && self.has_an_org(*at, &bound, outer)).collect();
            if more.is_empty() {
                return bound;
            }
            more.into_iter().for_each(|at| bound[at] = true);
        }
    }

    fn has_an_org(&self, at: usize, bound: &[bool], outer: &HashMap<String, String>) -> bool {
        let equal = self.equal.iter().filter(|equality| equality.of.is_none_or(|of| of == at));
        let mut sides =
            equal.flat_map(|Equality { sides: [left, right], .. }| [(left, right), (right, left)]);
        sides.any(|(mine, given)| {
            self.is_org_of(at, mine) && (is_parameter(given) || self.is_bound(at, given, bound, outer))
        })
    }

    /// Whether an expression is the org of this relation.
    fn is_org_of(&self, at: usize, expression: &Expr) -> bool {
        let relation = &self.relations[at];
        match column(expression) {
            Some((Some(alias), name)) => alias == relation.alias && relation.tells_the_org(&name),
            Some((None, name)) => self.relations.len() == 1 && relation.tells_the_org(&name),
            None => false,
        }
    }

    /// Whether an expression is the org of something else that is bound.
    fn is_bound(
        &self,
        at: usize,
        expression: &Expr,
        bound: &[bool],
        outer: &HashMap<String, String>,
    ) -> bool {
        let Some((alias, name)) = column(expression) else { return false };
        let Some(alias) = alias else { return self.relations.len() > 1 && name == ORG };
        match self.relations.iter().position(|relation| relation.alias == alias) {
            Some(other) if other == at => false,
            Some(other) => bound[other] && self.relations[other].tells_the_org(&name),
            None => match outer.get(&alias) {
                Some(table) => tells_the_org(table, &name),
                None => name == ORG,
            },
        }
    }
}

/// Something that a FROM names.
struct Relation {
    alias: String,
    /// Empty for what is no table: a function or a sub-select.
    table: String,
}

impl Relation {
    fn of(factor: &TableFactor) -> Self {
        let (table, alias) = match factor {
            TableFactor::Table { name, alias, args: None, .. } => (last(name), alias),
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::Function { alias, .. }
            | TableFactor::UNNEST { alias, .. } => (String::new(), alias),
            _ => panic!("a new kind of table: teach `Relation::of` about it: {factor}"),
        };
        let alias = alias.as_ref().map_or_else(|| table.clone(), |alias| alias.name.value.clone());
        Self { alias, table }
    }

    fn is_table(&self, tenants: &Tenants) -> bool {
        tenants.holds(&self.table)
    }

    fn tells_the_org(&self, column: &str) -> bool {
        tells_the_org(&self.table, column)
    }
}

/// A tenant's own row is known by its id, and by the key that operators know it by.
fn tells_the_org(table: &str, column: &str) -> bool {
    if table == "orgs" { ["id", "key"].contains(&column) } else { column == ORG }
}

/// What is selected as an org and is neither a parameter nor an org.
fn false_org(item: &SelectItem) -> Option<String> {
    let SelectItem::ExprWithAlias { expr, alias } = item else { return None };
    let is_org = is_parameter(expr) || column(expr).is_some_and(|(_, name)| name == ORG);
    (alias.value == ORG && !is_org).then(|| format!("{expr} AS {alias}"))
}

fn is_parameter(expression: &Expr) -> bool {
    match expression {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_parameter(inner),
        Expr::Value(value) => matches!(value.value, Value::Placeholder(_)),
        _ => false,
    }
}

/// A column: by which name its table goes, if it is said, and its own.
fn column(expression: &Expr) -> Option<(Option<String>, String)> {
    match expression {
        Expr::Nested(inner) => column(inner),
        Expr::Identifier(name) => Some((None, name.value.clone())),
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [.., alias, name] => Some((Some(alias.value.clone()), name.value.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// What an INSERT's source has at a place.
fn values(source: &Query, place: usize) -> Option<Expr> {
    match source.body.as_ref() {
        SetExpr::Select(select) => match select.projection.get(place)? {
            SelectItem::UnnamedExpr(expression) => Some(expression.clone()),
            SelectItem::ExprWithAlias { expr, .. } => Some(expr.clone()),
            _ => None,
        },
        SetExpr::Values(values) => match values.rows.as_slice() {
            [row] => row.get(place).cloned(),
            _ => None,
        },
        _ => None,
    }
}

fn last(name: &ObjectName) -> String {
    let part = name.0.last().and_then(|part| part.as_ident());
    part.map(|ident| ident.value.clone()).unwrap_or_default()
}
