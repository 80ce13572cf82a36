import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;

import org.hl7.fhir.convertors.factory.VersionConvertorFactory_40_50;
import org.hl7.fhir.exceptions.FHIRException;
import org.hl7.fhir.r5.elementmodel.Manager;
import org.hl7.fhir.r5.elementmodel.Manager.FhirFormat;
import org.hl7.fhir.r5.formats.IParser.OutputStyle;

/**
 * Runs the cases of mappings/ in the two FHIR Mapping Language engines of HL7's Java library and
 * says where a result is not the one of the case. r4 is the engine over the R4 classes; r5 is the
 * one over R4 definitions that the validator uses.
 * Arguments: the folder of the mappings, the file of expected differences.
 */
public class OtherEngine {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Pattern UUID = Pattern.compile("urn:uuid:[0-9a-fA-F-]{36}");

  /** An engine that holds maps, ConceptMaps and the R4 types, and asks no server. */
  interface Engine {
    void conceptMap(String json) throws Exception;

    void map(String key, String text) throws Exception;

    /** Gives the result as JSON; throws what the engine throws when it refuses. */
    String run(String key, String source) throws Exception;
  }

  /** One line of the file of expected differences. */
  record Expected(String engine, String what) {
    boolean covers(String otherEngine, String difference) {
      return matches(engine, otherEngine) && matches(what, difference);
    }

    private static boolean matches(String pattern, String text) {
      return text.matches("\\Q" + pattern.replace("*", "\\E.*\\Q") + "\\E");
    }
  }

  public static void main(String[] args) throws Exception {
    Path mappings = Path.of(args[0]);
    List<Expected> expected = expected(Path.of(args[1]));
    List<Expected> vanished = new ArrayList<>(expected);
    boolean good = true;
    Map<String, Engine> engines = new LinkedHashMap<>();
    engines.put("r4", new R4());
    engines.put("r5", new R5());
    for (Map.Entry<String, Engine> e : engines.entrySet()) {
      int cases = 0, equal = 0;
      for (Path file : load(e.getValue(), mappings)) {
        String dialect = file.getParent().getFileName().toString();
        List<String> differences = differences(e.getValue(), dialect, sections(Files.readString(file)));
        cases++;
        if (differences.isEmpty()) equal++;
        for (String difference : differences) {
          String what = dialect + "/" + file.getFileName() + " " + difference;
          List<Expected> known = expected.stream().filter(x -> x.covers(e.getKey(), what.split(": ", 2)[0])).toList();
          vanished.removeAll(known);
          good &= !known.isEmpty();
          System.out.printf("%s %s %s%n", known.isEmpty() ? "UNEXPECTED" : "expected", e.getKey(), what);
        }
      }
      good &= cases > 0;
      System.out.printf("other engine: %d of %d cases equal, %d differ (HL7 Java %s)%n", equal, cases, cases - equal, e.getKey());
    }
    for (Expected x : vanished) System.out.printf("VANISHED %s %s: no such difference any more, remove its line%n", x.engine, x.what);
    System.exit(good && vanished.isEmpty() ? 0 : 1);
  }

  /** Gives the engine all maps and ConceptMaps of R4; answers their cases. The engines know R4 types alone here. */
  private static List<Path> load(Engine engine, Path mappings) throws Exception {
    List<Path> cases = new ArrayList<>();
    for (Path folder : list(mappings, "")) {
      if (!Files.isDirectory(folder)) continue;
      for (Path file : list(folder, ".json")) engine.conceptMap(Files.readString(file));
      boolean other = false;
      for (Path file : list(folder, ".map")) {
        String text = Files.readString(file);
        if (text.contains("http://hl7.org/fhir/3.0/StructureDefinition/")) {
          other = true;
          continue;
        }
        try {
          engine.map(folder.getFileName().toString(), text);
        } catch (FHIRException e) {
          throw new IOException(file + " does not parse: " + e.getMessage(), e);
        }
      }
      if (!other) cases.addAll(list(folder, ".txtar"));
    }
    return cases;
  }

  /** Says where the result is not target.json; a case without one must be refused by a check. */
  private static List<String> differences(Engine engine, String dialect, Map<String, String> sections) throws Exception {
    List<String> out = new ArrayList<>();
    String source = sections.get("source.json"), want = sections.get("target.json");
    try {
      JsonNode got = JSON.readTree(renumber(engine.run(dialect, source), source));
      if (want == null) {
        out.add("accepts: a check of the map must refuse it");
      } else {
        compare("Bundle", JSON.readTree(renumber(want, source)), got, out);
      }
    } catch (FHIRException | IOException | Error e) {
      if (want != null || !String.valueOf(e.getMessage()).contains("Check condition failed")) out.add("fails: " + e.getMessage());
    }
    return out;
  }

  // uuid() is random there: an urn:uuid that the source does not have becomes the number of its first place
  private static String renumber(String text, String source) {
    Map<String, String> numbers = new HashMap<>();
    return UUID.matcher(text).replaceAll(m -> source.contains(m.group()) ? m.group()
        : numbers.computeIfAbsent(m.group(), k -> "urn:uuid:made-" + numbers.size()));
  }

  private static void compare(String path, JsonNode want, JsonNode got, List<String> out) {
    if (want == null) {
      out.add("adds " + path + ": " + got);
    } else if (got == null) {
      out.add("lacks " + path + ": " + want);
    } else if (want.isArray() && got.isArray()) {
      for (int i = 0; i < Math.max(want.size(), got.size()); i++) compare(path + "[" + i + "]", want.get(i), got.get(i), out);
    } else if (want.isObject() && got.isObject()) {
      Set<String> names = new TreeSet<>();
      want.fieldNames().forEachRemaining(names::add);
      got.fieldNames().forEachRemaining(names::add);
      for (String name : names) compare(path + "." + name, want.get(name), got.get(name), out);
    } else if (!want.equals(got)) {
      out.add("changes " + path + ": " + want + " is " + got);
    }
  }

  // the files of a txtar archive
  private static Map<String, String> sections(String text) {
    Map<String, String> out = new HashMap<>();
    Matcher m = Pattern.compile("^-- (\\S+) --\\n(.*?)(?=^-- \\S+ --\\n|\\z)", Pattern.MULTILINE | Pattern.DOTALL).matcher(text);
    while (m.find()) out.put(m.group(1), m.group(2));
    return out;
  }

  // lines of "engine case difference # reason"
  private static List<Expected> expected(Path file) throws IOException {
    List<Expected> out = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      if (line.isBlank() || line.startsWith("#")) continue;
      String[] parts = line.split(" # ", 2);
      String[] key = parts[0].trim().split(" +", 2);
      if (parts.length < 2 || key.length < 2) throw new IOException(file + ": no engine, difference and reason: " + line);
      out.add(new Expected(key[0], key[1]));
    }
    return out;
  }

  private static List<Path> list(Path folder, String end) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      return all.filter(p -> p.toString().endsWith(end)).sorted().toList();
    }
  }

  /** The StructureDefinitions of R4. */
  private static List<org.hl7.fhir.r4.model.Resource> definitions() throws Exception {
    List<org.hl7.fhir.r4.model.Resource> out = new ArrayList<>();
    for (String name : List.of("profiles-types", "profiles-resources")) {
      try (InputStream in = OtherEngine.class.getResourceAsStream("/org/hl7/fhir/r4/model/profile/" + name + ".xml")) {
        var all = (org.hl7.fhir.r4.model.Bundle) new org.hl7.fhir.r4.formats.XmlParser().parse(in);
        all.getEntry().stream().map(e -> e.getResource()).filter(r -> r.fhirType().equals("StructureDefinition")).forEach(out::add);
      }
    }
    return out;
  }

  static class R4 implements Engine, org.hl7.fhir.r4.utils.StructureMapUtilities.ITransformerServices {
    private final org.hl7.fhir.r4.context.SimpleWorkerContext context = org.hl7.fhir.r4.context.SimpleWorkerContext.fromNothing();
    private final org.hl7.fhir.r4.utils.StructureMapUtilities engine = new org.hl7.fhir.r4.utils.StructureMapUtilities(context, this);
    private final org.hl7.fhir.r4.formats.JsonParser json = new org.hl7.fhir.r4.formats.JsonParser();
    private final Map<String, org.hl7.fhir.r4.model.StructureMap> maps = new HashMap<>();
    private org.hl7.fhir.r4.model.Bundle source;

    R4() throws Exception {
      for (var r : definitions()) context.cacheResource(r);
    }

    public void conceptMap(String text) throws Exception {
      context.cacheResource(json.parse(text));
    }

    public void map(String key, String text) {
      maps.put(key, engine.parse(text, key));
      context.cacheResource(maps.get(key));
    }

    public String run(String key, String text) throws Exception {
      source = (org.hl7.fhir.r4.model.Bundle) json.parse(text);
      var target = new org.hl7.fhir.r4.model.Bundle();
      engine.transform(null, source, maps.get(key), target);
      return json.composeString(target);
    }

    public void log(String message) {}

    public org.hl7.fhir.r4.model.Base createType(Object info, String name) {
      return org.hl7.fhir.r4.model.ResourceFactory.createResourceOrType(name.substring(name.lastIndexOf('/') + 1));
    }

    public org.hl7.fhir.r4.model.Base createResource(Object info, org.hl7.fhir.r4.model.Base made, boolean root) {
      return made;
    }

    public org.hl7.fhir.r4.model.Coding translate(Object info, org.hl7.fhir.r4.model.Coding source, String url) {
      throw new FHIRException("there is no ConceptMap " + url);
    }

    // what resolve() finds is the host's part: here, what is in the message
    public org.hl7.fhir.r4.model.Base resolveReference(Object info, String url) {
      return source.getEntry().stream().filter(e -> url.equals(e.getFullUrl())).map(e -> e.getResource()).findFirst().orElse(null);
    }

    public List<org.hl7.fhir.r4.model.Base> performSearch(Object info, String url) {
      throw new FHIRException("nothing is searched: " + url);
    }
  }

  static class R5 implements Engine, org.hl7.fhir.r5.utils.structuremap.ITransformerServices {
    private final org.hl7.fhir.r5.context.SimpleWorkerContext context =
        new org.hl7.fhir.r5.context.SimpleWorkerContext.SimpleWorkerContextBuilder().withAllowLoadingDuplicates(true).fromNothing();
    private final org.hl7.fhir.r5.utils.structuremap.StructureMapUtilities engine =
        new org.hl7.fhir.r5.utils.structuremap.StructureMapUtilities(context, this);
    private final Map<String, org.hl7.fhir.r5.model.StructureMap> maps = new HashMap<>();
    private org.hl7.fhir.r5.elementmodel.Element source;

    R5() throws Exception {
      context.setCanRunWithoutTerminology(true);
      context.setNoTerminologyServer(true);
      for (var r : definitions()) context.cacheResource(VersionConvertorFactory_40_50.convertResource(r));
    }

    public void conceptMap(String text) throws Exception {
      context.cacheResource(VersionConvertorFactory_40_50.convertResource(new org.hl7.fhir.r4.formats.JsonParser().parse(text)));
    }

    public void map(String key, String text) {
      maps.put(key, engine.parse(text, key));
      context.cacheResource(maps.get(key));
    }

    public String run(String key, String text) throws Exception {
      source = Manager.parseSingle(context, new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)), FhirFormat.JSON);
      var target = Manager.build(context, context.fetchTypeDefinition("Bundle"));
      engine.transform(null, source, maps.get(key), target);
      var out = new ByteArrayOutputStream();
      Manager.compose(context, target, out, FhirFormat.JSON, OutputStyle.NORMAL, null);
      return out.toString(StandardCharsets.UTF_8);
    }

    public void log(String message) {}

    public org.hl7.fhir.r5.model.Base createType(Object info, String name, org.hl7.fhir.r5.conformance.profile.ProfileUtilities profiles) {
      return Manager.build(context, context.fetchTypeDefinition(name));
    }

    public org.hl7.fhir.r5.model.Base createResource(Object info, org.hl7.fhir.r5.model.Base made, boolean root) {
      return made;
    }

    public org.hl7.fhir.r5.model.Coding translate(Object info, org.hl7.fhir.r5.model.Coding source, String url) {
      throw new FHIRException("there is no ConceptMap " + url);
    }

    public org.hl7.fhir.r5.model.Base resolveReference(Object info, String url) {
      return source.getChildrenByName("entry").stream().filter(e -> url.equals(e.getNamedChildValue("fullUrl")))
          .map(e -> e.getNamedChild("resource")).findFirst().orElse(null);
    }

    public List<org.hl7.fhir.r5.model.Base> performSearch(Object info, String url) {
      throw new FHIRException("nothing is searched: " + url);
    }
  }
}
