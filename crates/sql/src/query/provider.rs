//! What names mean while a query is planned: tables, views and functions.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use brooklet_core::schema::TableDef;
use brooklet_functions::Zone;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, TableReference, plan_err};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::planner::{
    ContextProvider, ExprPlanner, RelationPlanner, TypePlanner,
};
use datafusion::logical_expr::{
    AggregateUDF, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::sql::planner::{NullOrdering, ParserOptions, SqlToRel};
use sqlparser::ast::{Ident, Query};

use super::as_written::{AS_WRITTEN, as_written};
use super::parameters::Parameters;
use super::types::FlinkTypes;
use super::window_tvf::FlinkRelations;
use super::{
    aggregates, clock, group_windows, prepare, row_fields, row_number, state_ttl, watermark,
    window_functions,
};

/// A view as a query sees it.
#[derive(Debug, Clone)]
pub struct View {
    /// Empty: the query's own names.
    pub columns: Vec<Ident>,
    pub query: Query,
}

/// Tables and views by name; the session's catalog.
pub trait Names {
    fn table(&self, name: &str) -> Option<Arc<TableDef>>;
    fn view(&self, name: &str) -> Option<View>;
    /// The expression of a computed column; its table keeps only a text for people.
    fn computed(&self, table: &str, column: &str) -> Option<sqlparser::ast::Expr>;
    /// All names, for suggestions.
    fn all(&self) -> Vec<String>;
    /// Functions beside those that are part of the program; they win.
    fn functions(&self) -> Vec<Arc<ScalarUDF>>;
}

/// DataFusion's built-ins whose meaning is Flink's.
const BUILT_IN: &[&str] = &["coalesce", "nullif", "get_field", "named_struct", "make_array"];

/// How deep views may stand on views.
const MAX_DEPTH: usize = 64;

pub struct Provider<'a> {
    names: &'a dyn Names,
    options: ConfigOptions,
    scalars: BTreeMap<String, Arc<ScalarUDF>>,
    aggregates: BTreeMap<String, Arc<AggregateUDF>>,
    windows: BTreeMap<String, Arc<WindowUDF>>,
    exprs: Vec<Arc<dyn ExprPlanner>>,
    relations: Vec<Arc<dyn RelationPlanner>>,
    views: RefCell<BTreeMap<String, LogicalPlan>>,
    open_views: RefCell<Vec<String>>,
    /// None where nobody gives values to parameters.
    parameters: Option<Parameters>,
    zone: Zone,
}

impl<'a> Provider<'a> {
    /// In UTC.
    pub fn new(names: &'a dyn Names) -> Self {
        Provider::in_zone(names, Zone::UTC)
    }

    /// In a session with this time zone.
    pub fn in_zone(names: &'a dyn Names, zone: Zone) -> Self {
        let mut scalars: BTreeMap<String, Arc<ScalarUDF>> = BTreeMap::new();
        for udf in SessionStateDefaults::default_scalar_functions() {
            if BUILT_IN.contains(&udf.name()) {
                scalars.insert(udf.name().to_string(), udf);
            }
        }
        for udf in brooklet_functions::all_in(zone) {
            for alias in udf.aliases() {
                scalars.insert(alias.clone(), Arc::clone(&udf));
            }
            scalars.insert(udf.name().to_string(), udf);
        }
        scalars.extend(clock::functions());
        let watermark = Arc::new(watermark::function());
        scalars.insert(watermark.name().to_string(), watermark);
        scalars.extend(group_windows::functions());
        scalars.extend(names.functions().into_iter().map(|f| (f.name().to_lowercase(), f)));
        let by_name = |udf: Arc<AggregateUDF>| (udf.name().to_string(), udf);
        Provider {
            names,
            options: options(),
            scalars,
            aggregates: aggregates::all().into_iter().map(by_name).collect(),
            windows: window_functions::all()
                .chain([row_number::row_number()])
                .map(|udf| (udf.name().to_string(), udf))
                .collect(),
            exprs: expr_planners(zone),
            relations: vec![Arc::new(FlinkRelations)],
            views: RefCell::default(),
            open_views: RefCell::default(),
            parameters: None,
            zone,
        }
    }

    /// For a query whose parameters are given values when it is asked.
    pub fn with_parameters(self, parameters: Parameters) -> Self {
        Provider { parameters: Some(parameters), ..self }
    }
    pub fn parameters(&self) -> Option<&Parameters> {
        self.parameters.as_ref()
    }

    /// The planner of queries and expressions over these names.
    pub fn sql(&self) -> SqlToRel<'_, Provider<'a>> {
        SqlToRel::new_with_options(
            self,
            ParserOptions {
                parse_float_as_decimal: true,
                enable_ident_normalization: false,
                support_varchar_with_length: true,
                enable_options_value_normalization: false,
                collect_spans: true,
                map_string_types_to_utf8view: false,
                default_null_ordering: NullOrdering::NullsMin,
            },
        )
    }

    /// The session's time zone.
    pub fn zone(&self) -> Zone {
        self.zone
    }

    pub fn names(&self) -> &dyn Names {
        self.names
    }

    /// Every function name there is, for suggestions.
    pub fn functions(&self) -> Vec<String> {
        self.udf_names().into_iter().chain(self.udaf_names()).collect()
    }

    fn view(&self, name: &str) -> Result<Option<LogicalPlan>> {
        if let Some(plan) = self.views.borrow().get(name) {
            return Ok(Some(plan.clone()));
        }
        let Some(view) = self.names.view(name) else { return Ok(None) };
        let depth = self.open_views.borrow().len();
        if depth >= MAX_DEPTH || self.open_views.borrow().iter().any(|open| open == name) {
            return plan_err!("view '{name}' reads itself");
        }
        self.open_views.borrow_mut().push(name.to_string());
        let plan = self.plan_view(name, view);
        self.open_views.borrow_mut().pop();
        let plan = plan?;
        self.views.borrow_mut().insert(name.to_string(), plan.clone());
        Ok(Some(plan))
    }

    fn plan_view(&self, name: &str, mut view: View) -> Result<LogicalPlan> {
        prepare::prepare(&mut view.query);
        state_ttl::mark(&mut view.query);
        row_fields::spread(self, &mut view.query);
        let plan = super::query_plan(self, view.query)?;
        if view.columns.is_empty() {
            return Ok(plan);
        }
        let fields = plan.schema().fields().len();
        if fields != view.columns.len() {
            let given = view.columns.len();
            return plan_err!("view '{name}' names {given} columns, its query gives {fields}");
        }
        let renamed =
            plan.schema().columns().into_iter().zip(&view.columns).map(|(c, name)| {
                datafusion::logical_expr::Expr::Column(c).alias(name.value.clone())
            });
        let renamed: Vec<_> = renamed.collect();
        datafusion::logical_expr::LogicalPlanBuilder::from(plan).project(renamed)?.build()
    }
}

/// How all queries are planned.
pub fn options() -> ConfigOptions {
    let mut options = ConfigOptions::new();
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = None;
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    options.optimizer.skip_failed_rules = false;
    options
}

/// DataFusion's own, behind ours; its SUBSTRING, POSITION and EXTRACT would bring functions that
/// differ from Flink's.
fn expr_planners(zone: Zone) -> Vec<Arc<dyn ExprPlanner>> {
    use datafusion::{functions, functions_aggregate, functions_nested, functions_window};
    vec![
        Arc::new(super::operators::FlinkOperators::in_zone(zone)),
        Arc::new(functions::core::planner::CoreFunctionPlanner::default()),
        Arc::new(functions_nested::planner::NestedFunctionPlanner),
        Arc::new(functions_nested::planner::FieldAccessPlanner),
        Arc::new(functions_aggregate::planner::AggregateFunctionPlanner),
        Arc::new(functions_window::planner::WindowFunctionPlanner),
    ]
}

impl ContextProvider for Provider<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        if let Some(table) = self.names.table(name.table()) {
            return Ok(Arc::new(Source { schema: table.read_schema(), view: None }));
        }
        if let Some(plan) = self.view(name.table())? {
            let schema = Arc::new(plan.schema().as_arrow().clone());
            return Ok(Arc::new(Source { schema, view: Some(plan) }));
        }
        plan_err!("no table or view '{}'", name.table())
    }
    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.exprs
    }
    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relations
    }
    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(FlinkTypes))
    }
    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        let hidden = || (name == AS_WRITTEN).then(as_written);
        prepare::cast_of(name, self.zone)
            .or_else(hidden)
            .or_else(|| self.scalars.get(&name.to_lowercase()).cloned())
    }
    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }
    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.aggregates.get(&name.to_lowercase()).cloned()
    }
    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.windows.get(&name.to_lowercase()).cloned()
    }
    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }
    fn options(&self) -> &ConfigOptions {
        &self.options
    }
    fn udf_names(&self) -> Vec<String> {
        self.scalars.keys().cloned().collect()
    }
    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn udaf_names(&self) -> Vec<String> {
        self.aggregates.keys().cloned().collect()
    }
    fn udwf_names(&self) -> Vec<String> {
        self.windows.keys().cloned().collect()
    }
}

/// A table or, with its plan, a view.
struct Source {
    schema: SchemaRef,
    view: Option<LogicalPlan>,
}

impl TableSource for Source {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.view.as_ref().map(Cow::Borrowed)
    }
}
