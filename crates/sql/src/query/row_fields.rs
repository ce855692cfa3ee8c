//! `r.*` of a ROW column as its fields.

use arrow::datatypes::DataType;
use sqlparser::ast::{
    Expr, Ident, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr,
    Statement, With,
};

use super::Provider;
use super::state_ttl::name;
use super::walk::{Changed, walk_mut};

/// Spreads ROW columns of a prepared query; what is no ROW column stays as it is.
pub fn spread(provider: &Provider, query: &mut Query) {
    let with = query.with.clone();
    walk_mut(query, &mut |changed| {
        if let Changed::Select(select) = changed
            && select.projection.iter().any(|item| row(item, select).is_some())
        {
            spread_select(provider, with.as_ref(), select);
        }
    });
}

fn spread_select(provider: &Provider, with: Option<&With>, select: &mut Select) {
    let mut items = Vec::new();
    for item in &select.projection {
        let Some(parts) = row(item, select) else {
            items.push(item.clone());
            continue;
        };
        let fields = fields(provider, with, select, &parts);
        if fields.is_empty() {
            items.push(item.clone());
        }
        for field in fields {
            let mut parts = parts.clone();
            parts.push(Ident::with_quote('`', field.clone()));
            let alias = free(&items, &field);
            items.push(SelectItem::ExprWithAlias { expr: Expr::CompoundIdentifier(parts), alias });
        }
    }
    select.projection = items;
}

/// The name in front of `.*`, unless it is a table's.
fn row(item: &SelectItem, select: &Select) -> Option<Vec<Ident>> {
    let SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(all), _) = item
    else {
        return None;
    };
    let ObjectName(parts) = all;
    let parts: Vec<Ident> = parts.iter().filter_map(|part| part.as_ident().cloned()).collect();
    let joined = select.from.iter().flat_map(|from| from.joins.iter().map(|j| &j.relation));
    let mut factors = select.from.iter().map(|from| &from.relation).chain(joined);
    let first = parts.first()?;
    let is_table = factors.any(|factor| name(factor).is_some_and(|own| own.value == first.value));
    (!is_table || parts.len() > 1).then_some(parts)
}

/// The names of a ROW's fields; none for anything else.
fn fields(
    provider: &Provider,
    with: Option<&With>,
    select: &Select,
    parts: &[Ident],
) -> Vec<String> {
    let expr = match parts {
        [one] => Expr::Identifier(one.clone()),
        many => Expr::CompoundIdentifier(many.to_vec()),
    };
    let mut alone = select.clone();
    alone.projection = vec![SelectItem::UnnamedExpr(expr)];
    (alone.selection, alone.having, alone.qualify, alone.distinct) = (None, None, None, None);
    alone.group_by = sqlparser::ast::GroupByExpr::Expressions(vec![], vec![]);
    let query = Query {
        with: with.cloned(),
        body: Box::new(SetExpr::Select(Box::new(alone))),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: vec![],
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: vec![],
    };
    let plan = provider.sql().sql_statement_to_plan(Statement::Query(Box::new(query)));
    let Ok(plan) = plan else { return Vec::new() };
    match plan.schema().fields().first().map(|f| f.data_type().clone()) {
        Some(DataType::Struct(fields)) => fields.iter().map(|f| f.name().clone()).collect(),
        _ => Vec::new(),
    }
}

/// The field's name, with a number where another column has it.
fn free(items: &[SelectItem], field: &str) -> Ident {
    let taken = |name: &str| {
        items.iter().any(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.value == name,
            SelectItem::UnnamedExpr(Expr::Identifier(id)) => id.value == name,
            _ => false,
        })
    };
    let numbered = |n: usize| if n == 0 { field.to_string() } else { format!("{field}{}", n - 1) };
    let name = (0..).map(numbered).find(|name| !taken(name)).unwrap_or_default();
    Ident::with_quote('`', name)
}
