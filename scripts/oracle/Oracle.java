import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.ResultKind;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.table.api.internal.TableResultInternal;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.catalog.ResolvedSchema;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.utils.print.RowDataToStringConverter;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.CloseableIterator;

/**
 * What a real Flink answers to the statements of a file: one JSON object a line for each query,
 * INSERT, SHOW or DESCRIBE, and for each statement that fails.
 *
 * <p>Usage: Oracle DATA FILE... (answers go to stdout) or Oracle --write DATA FILE.sql... (they go
 * beside each file as FILE.jsonl). {@code ${DATA}} in a statement is the folder of the inputs.
 *
 * <p>Streaming, parallelism 1, a watermark after every row, UTC: what a bounded file gives is then
 * the same in every run.
 */
public class Oracle {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String MODE = "execution.runtime-mode";
    private static final Pattern SET =
            Pattern.compile("(?is)SET\\s+'([^']+)'\\s*=\\s*'((?:[^']|'')*)'");
    private static final Pattern RESET = Pattern.compile("(?is)RESET\\s+'([^']+)'");
    private static final Pattern ENDS_IN_ORDER =
            Pattern.compile("(?is)ORDER\\s+BY\\s+[^()]*(\\([^()]*\\)[^()]*)*$");
    /** Flink's files take no strategy: there the interval of 0 gives a watermark for each row. */
    private static final Pattern STRATEGY =
            Pattern.compile("(?i),?\\s*'scan\\.watermark\\.emit\\.strategy'\\s*=\\s*'[^']*'");

    private static final ScheduledExecutorService WATCH =
            Executors.newSingleThreadScheduledExecutor();

    private final String data;
    private final Map<String, String> settings = new LinkedHashMap<>();
    private final List<String> definitions = new ArrayList<>();
    private TableEnvironment environment;

    private Oracle(String data, String mode) {
        this.data = data;
        settings.put(MODE, mode);
        connect();
    }

    public static void main(String[] arguments) throws Exception {
        List<String> rest = new ArrayList<>(Arrays.asList(arguments));
        boolean writes = rest.get(0).equals("--write") && rest.remove(0) != null;
        String data = rest.remove(0);
        for (String file : rest) {
            Path path = Path.of(file);
            StringBuilder answers = new StringBuilder();
            for (Map<String, Object> answer : both(data, split(Files.readString(path)))) {
                String line = JSON.writeValueAsString(answer);
                answers.append(line).append('\n');
                if (!writes) System.out.println(line);
            }
            if (writes) {
                String name = path.getFileName().toString().replaceFirst("\\.sql$", ".jsonl");
                Files.writeString(path.resolveSibling(name), answers);
                System.err.println("oracle: " + name);
            }
        }
        System.exit(0);
    }

    /** Answers in the mode that the file sets, with what batch mode says where it differs. */
    private static List<Map<String, Object>> both(String data, List<String> statements) {
        Oracle streaming = new Oracle(data, "streaming");
        Oracle batch = new Oracle(data, "batch");
        List<Map<String, Object>> answers = new ArrayList<>();
        for (String statement : statements) {
            Map<String, Object> answer = streaming.answer(statement);
            boolean asksBatch = !streaming.settings.get(MODE).equals("batch");
            Map<String, Object> other = asksBatch ? batch.answer(statement) : answer;
            if (answer == null) continue;
            if (other == null) other = new LinkedHashMap<>();
            if (!plain(other).equals(plain(answer))) {
                other.remove("sql");
                if (Objects.equals(other.get("schema"), answer.get("schema"))) other.remove("schema");
                answer.put("batch", other);
            }
            answers.add(answer);
        }
        return answers;
    }

    /** The rows as a multiset. */
    private static String plain(Map<String, Object> answer) {
        List<String> lines = new ArrayList<>();
        if (answer.get("rows") instanceof List<?> rows) {
            for (Object row : rows) lines.add(line((String[]) row));
        } else {
            lines.add("error");
        }
        lines.sort(null);
        return lines.toString();
    }

    /** A new environment with the settings and definitions so far. */
    private void connect() {
        Configuration configuration = new Configuration();
        configuration.setString("parallelism.default", "1");
        configuration.setString("pipeline.auto-watermark-interval", "0 ms");
        configuration.setString("table.local-time-zone", "UTC");
        configuration.setString("taskmanager.memory.network.max", "64mb");
        settings.forEach(configuration::setString);
        environment =
                TableEnvironment.create(
                        EnvironmentSettings.newInstance().withConfiguration(configuration).build());
        definitions.forEach(environment::executeSql);
    }

    private Map<String, Object> answer(String statement) {
        Matcher set = SET.matcher(statement);
        Matcher reset = RESET.matcher(statement);
        if (set.matches()) {
            settings.put(set.group(1), set.group(2).replace("''", "'"));
            connect();
            return null;
        }
        if (reset.matches()) {
            settings.remove(reset.group(1));
            connect();
            return null;
        }
        Map<String, Object> answer = new LinkedHashMap<>();
        answer.put("sql", statement);
        // Calcite's metadata belong to the thread that made the environment: this one answers.
        ScheduledFuture<?> late =
                WATCH.schedule(Thread.currentThread()::interrupt, 120, TimeUnit.SECONDS);
        try {
            if (!tell(statement, answer)) return null;
        } catch (Throwable e) {
            answer.keySet().retainAll(List.of("sql"));
            answer.put("error", reason(e));
        } finally {
            late.cancel(false);
            Thread.interrupted();
        }
        return answer;
    }

    /** Puts what came of the statement; false if it was a definition. */
    private boolean tell(String statement, Map<String, Object> answer) throws Exception {
        String text = statement.replace("${DATA}", data);
        if (text.contains("'filesystem'")) text = STRATEGY.matcher(text).replaceAll("");
        TableResult result = environment.executeSql(text);
        if (text.matches("(?is)(INSERT|EXECUTE)\\b.*")) {
            result.await();
            return true;
        }
        if (result.getResultKind() == ResultKind.SUCCESS) {
            definitions.add(text);
            return false;
        }
        answer.put("schema", schema(result.getResolvedSchema()));
        List<String[]> rows = new ArrayList<>();
        boolean updates = collect((TableResultInternal) result, rows);
        if (!updates && ENDS_IN_ORDER.matcher(statement).find()) {
            answer.put("ordered", true);
        } else {
            rows.sort((a, b) -> line(a).compareTo(line(b)));
        }
        answer.put("rows", rows);
        return true;
    }

    /** The rows that stand at the end; whether any was ever taken back. */
    private static boolean collect(TableResultInternal result, List<String[]> rows)
            throws Exception {
        RowDataToStringConverter shown = result.getRowDataToStringConverter();
        Map<String, ArrayList<String[]>> standing = new LinkedHashMap<>();
        List<String[]> order = new ArrayList<>();
        boolean updates = false;
        try (CloseableIterator<RowData> changes = result.collectInternal()) {
            while (changes.hasNext()) {
                RowData row = changes.next();
                RowKind kind = row.getRowKind();
                row.setRowKind(RowKind.INSERT);
                String[] cells = shown.convert(row);
                for (int i = 0; i < cells.length; i++) if (row.isNullAt(i)) cells[i] = null;
                ArrayList<String[]> same =
                        standing.computeIfAbsent(line(cells), k -> new ArrayList<>());
                if (kind == RowKind.INSERT || kind == RowKind.UPDATE_AFTER) {
                    same.add(cells);
                    order.add(cells);
                } else {
                    updates = true;
                    if (!same.isEmpty()) same.remove(same.size() - 1);
                }
            }
        }
        if (updates) standing.values().forEach(rows::addAll);
        else rows.addAll(order);
        return updates;
    }

    private static String line(String[] cells) {
        return Arrays.toString(cells);
    }

    private static List<String> schema(ResolvedSchema schema) {
        List<String> columns = new ArrayList<>();
        for (Column column : schema.getColumns()) {
            columns.add(column.getName() + " " + column.getDataType().getLogicalType());
        }
        return columns;
    }

    /** The innermost reason, on one line. */
    private static String reason(Throwable error) {
        while (error.getCause() != null) error = error.getCause();
        String text = String.valueOf(error.getMessage()).replaceAll("\\s+", " ");
        return error.getClass().getSimpleName() + ": " + text.substring(0, Math.min(200, text.length()));
    }

    /** Statements without their semicolons and comments, which may stand in quotes. */
    private static List<String> split(String text) {
        List<String> statements = new ArrayList<>();
        StringBuilder statement = new StringBuilder();
        char quote = 0;
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (quote != 0) {
                if (c == quote) quote = 0;
            } else if (c == '\'' || c == '`' || c == '"') {
                quote = c;
            } else if (text.startsWith("--", i)) {
                while (i < text.length() && text.charAt(i) != '\n') i++;
                c = '\n';
            } else if (c == ';') {
                add(statements, statement);
                continue;
            }
            statement.append(c);
        }
        add(statements, statement);
        return statements;
    }

    private static void add(List<String> statements, StringBuilder statement) {
        String text = statement.toString().strip();
        if (!text.isEmpty()) statements.add(text);
        statement.setLength(0);
    }
}
