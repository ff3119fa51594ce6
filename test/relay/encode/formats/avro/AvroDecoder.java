import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.Map;
import org.apache.avro.Conversions;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.data.TimeConversions;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericFixed;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.util.TimePeriod;

/**
 * What Apache Avro for Java makes of the bytes that the relay writes: reads a line with a schema and a line with bytes in
 * hexadecimal, answers with one line of JSON that keeps type and value apart to the last bit (generated.ts tells the form).
 */
public class AvroDecoder {
  private static final GenericData data = new GenericData() {
    // The arrays of Avro 1.12.0 for primitive types cannot hold what a logical type makes of them.
    @Override
    public Object newArray(Object old, int size, Schema schema) {
      return new ArrayList<>(size);
    }
  };
  private static final DateTimeFormatter second = DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.nnnnnnnnn");

  public static void main(String[] args) throws Exception {
    // Avro 1.12.0 has the type and the conversion, but forgets to find it by its name.
    LogicalTypes.register("duration", schema -> LogicalTypes.duration());
    data.addLogicalTypeConversion(new Conversions.DecimalConversion());
    data.addLogicalTypeConversion(new Conversions.UUIDConversion());
    data.addLogicalTypeConversion(new Conversions.DurationConversion());
    data.addLogicalTypeConversion(new TimeConversions.DateConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimeMillisConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimeMicrosConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimestampMillisConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimestampMicrosConversion());
    data.addLogicalTypeConversion(new TimeConversions.TimestampNanosConversion());
    data.addLogicalTypeConversion(new TimeConversions.LocalTimestampMillisConversion());
    data.addLogicalTypeConversion(new TimeConversions.LocalTimestampMicrosConversion());
    data.addLogicalTypeConversion(new TimeConversions.LocalTimestampNanosConversion());
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String schemaText; (schemaText = in.readLine()) != null; ) {
      out.println(answer(schemaText, in.readLine()));
      out.flush();
    }
  }

  private static String answer(String schemaText, String hex) {
    var out = new StringBuilder();
    try {
      Schema schema = new Schema.Parser().parse(schemaText);
      BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(HexFormat.of().parseHex(hex), null);
      Object datum = new GenericDatumReader<>(schema, schema, data).read(null, decoder);
      if (!decoder.isEnd()) return quote("bytes are left over");
      write(schema, datum, out);
      return out.toString();
    } catch (Exception error) {
      return quote("Java fails: " + error);
    }
  }

  private static void write(Schema schema, Object datum, StringBuilder out) {
    switch (schema.getType()) {
      case UNION -> write(schema.getTypes().get(data.resolveUnion(schema, datum)), datum, out);
      case RECORD -> {
        var record = (IndexedRecord) datum;
        String separator = "{";
        for (Schema.Field field : schema.getFields()) {
          out.append(separator).append(quote(field.name())).append(':');
          write(field.schema(), record.get(field.pos()), out);
          separator = ",";
        }
        out.append(separator.equals("{") ? "{}" : "}");
      }
      case MAP -> {
        String separator = "{";
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) datum).entrySet()) {
          out.append(separator).append(quote(entry.getKey().toString())).append(':');
          write(schema.getValueType(), entry.getValue(), out);
          separator = ",";
        }
        out.append(separator.equals("{") ? "{}" : "}");
      }
      case ARRAY -> {
        out.append('[');
        String separator = "";
        for (Object item : (Iterable<?>) datum) {
          out.append(separator);
          write(schema.getElementType(), item, out);
          separator = ",";
        }
        out.append(']');
      }
      case NULL, BOOLEAN -> out.append(datum);
      default -> out.append(quote(leaf(schema, datum)));
    }
  }

  private static String leaf(Schema schema, Object datum) {
    if (schema.getLogicalType() != null) return logical(schema, datum);
    return switch (schema.getType()) {
      case FLOAT -> String.format("float %08x", Float.floatToRawIntBits((Float) datum));
      case DOUBLE -> String.format("double %016x", Double.doubleToRawLongBits((Double) datum));
      case BYTES -> "bytes " + hex((ByteBuffer) datum);
      case FIXED -> "fixed " + HexFormat.of().formatHex(((GenericFixed) datum).bytes());
      default -> schema.getType().getName() + " " + datum;
    };
  }

  private static String logical(Schema schema, Object datum) {
    return switch (schema.getLogicalType().getName()) {
      case "decimal" -> "decimal " + ((java.math.BigDecimal) datum).toPlainString();
      case "uuid" -> "uuid " + (java.util.UUID) datum;
      case "date" -> "date " + dateOf((LocalDate) datum);
      case "time-millis", "time-micros" -> "time " + nanos((LocalTime) datum);
      case "duration" -> durationOf((TimePeriod) datum);
      default -> datum instanceof Instant instant
        ? "instant " + timeOf(LocalDateTime.ofEpochSecond(instant.getEpochSecond(), instant.getNano(), ZoneOffset.UTC))
        : "local " + timeOf((LocalDateTime) datum);
    };
  }

  private static String nanos(LocalTime time) {
    return time.format(DateTimeFormatter.ofPattern("HH:mm:ss.nnnnnnnnn"));
  }

  private static String dateOf(LocalDate date) {
    return date.getYear() >= 0 && date.getYear() <= 9999 ? date.toString() : "#" + date.toEpochDay();
  }

  private static String timeOf(LocalDateTime time) {
    if (time.getYear() >= 0 && time.getYear() <= 9999) return time.format(second);
    return String.format("#%d.%09d", time.toEpochSecond(ZoneOffset.UTC), time.getNano());
  }

  private static String durationOf(TimePeriod period) {
    return "duration " + period.getMonths() + " " + period.getDays() + " " + period.getMillis();
  }

  private static String hex(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return HexFormat.of().formatHex(bytes);
  }

  private static String quote(String text) {
    var out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < 0x20 || c > 0x7e) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }
}
