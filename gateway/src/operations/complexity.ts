import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  isInterfaceType,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  SchemaMetaFieldDef,
  type SelectionSetNode,
  TypeMetaFieldDef,
  type ValueNode,
} from 'graphql';
import type { CostModel, FieldCost } from './cost-model.ts';

/** The measurements of an operation. A fragment counts once per spread. */
export interface Complexity {
  /** Levels of nested fields, without introspection. */
  depth: number;
  aliases: number;
  directives: number;
  rootFields: number;
  /** Fields, inline fragments and spreads. */
  selections: number;
  cost: number;
  /**
   * Estimated number of values in the response. A selection inside a list counts once per entry of the list: `a { b }`
   * with 10 entries has 10 values `b`.
   */
  values: number;
  /** Cost of `__schema` and `__type`. */
  introspectionCost: number;
  /** Whether the cost depends on the variables. */
  dependsOnVariables: boolean;
}

export interface ComplexityOptions {
  schema: GraphQLSchema;
  costs: CostModel;
  /** The document's fragments, by name. */
  fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  operation: OperationDefinitionNode;
  variables: Readonly<Record<string, unknown>>;
  /** Called during the measurement with the number of selections visited so far. May throw to stop the measurement. */
  onVisit?(visited: number): void;
}

/**
 * Measures an operation before it is validated. Unknown fields count as scalars.
 *
 * Each fragment is measured once, and its measurements are added at each spread. So the time is linear in the text's
 * length. A field with `@listSize` can set the size of lists in a fragment. Such a fragment is measured once per list
 * size. A recursive spread counts as nothing, because validation refuses the operation.
 */
export function measureComplexity(options: ComplexityOptions): Complexity {
  const { schema, operation } = options;
  const root = schema.getRootType(operation.operation) ?? null;
  const measure = createMeasure(options);
  const total = measure(operation.selectionSet, root, null);
  return { ...total, directives: total.directives + (operation.directives?.length ?? 0), rootFields: total.fields };
}

/** Measurements of a selection set. */
interface Figures extends Omit<Complexity, 'rootFields'> {
  /** Number of fields in the set, including fields of its fragments, but not subfields. */
  fields: number;
}

type Measure = (set: SelectionSetNode, parent: GraphQLNamedType | null, sized: SizedFields | null) => Figures;
/**
 * Subfields that get their list size from an argument of the parent field. Example: `edges` of a connection with
 * `first: 10`.
 */
type SizedFields = { names: readonly string[]; size: number };

function createMeasure(options: ComplexityOptions): Measure {
  const { schema, costs, fragments, operation, variables, onVisit } = options;
  // Measurements of fragments, by fragment name and by the list size that the surrounding field sets.
  const measured = new Map<string, Figures>();
  const open = new Set<string>();
  const defaults = new Map(
    operation.variableDefinitions?.map(({ variable, defaultValue }) => [variable.name.value, defaultValue]),
  );
  let dependsOnVariables = false;
  let visited = 0;

  const measureFragment = (name: string, sized: SizedFields | null): Figures => {
    const fragment = fragments[name];
    if (!fragment || open.has(name)) return nothing();
    const key = `${name} ${sized?.size ?? ''} ${sized?.names.join() ?? ''}`;
    const known = measured.get(key);
    if (known) return known;
    open.add(name);
    const figures = measureSet(fragment.selectionSet, schema.getType(fragment.typeCondition.name.value) ?? null, sized);
    open.delete(name);
    figures.directives += fragment.directives?.length ?? 0;
    measured.set(key, figures);
    return figures;
  };

  const measureSet: Measure = (set, parent, sized) => {
    const sum = nothing();
    for (const selection of set.selections) {
      visited += 1;
      onVisit?.(visited);
      sum.selections += 1;
      sum.values += 1;
      sum.directives += selection.directives?.length ?? 0;
      if (selection.kind === Kind.FIELD) addField(sum, selection, parent, sized);
      else if (selection.kind === Kind.FRAGMENT_SPREAD) add(sum, measureFragment(selection.name.value, sized));
      else {
        const condition = selection.typeCondition && schema.getType(selection.typeCondition.name.value);
        add(sum, measureSet(selection.selectionSet, condition ?? parent, sized));
      }
    }
    return sum;
  };

  const addField = (sum: Figures, node: FieldNode, parent: GraphQLNamedType | null, sized: SizedFields | null) => {
    sum.fields += 1;
    if (node.alias) sum.aliases += 1;
    const definition = parent && fieldOf(schema, parent, node.name.value);
    const cost = definition && parent ? costs.costOf(parent, definition) : unknownField;
    const size = sizeOf(node, cost, sized);
    const children = node.selectionSet
      ? measureSet(
          node.selectionSet,
          definition ? getNamedType(definition.type) : null,
          cost.sizedFields.length > 0 ? { names: cost.sizedFields, size } : null,
        )
      : leaf;
    const isIntrospection = definition === SchemaMetaFieldDef || definition === TypeMetaFieldDef;
    const entries = cost.isList ? size : 1;
    const own = cost.weight + argumentsWeight(node, cost);
    sum.aliases += children.aliases;
    sum.directives += children.directives;
    sum.selections += children.selections;
    sum.depth = Math.max(sum.depth, isIntrospection ? 1 : children.depth + 1);
    sum.introspectionCost += children.introspectionCost;
    if (!isIntrospection) sum.values += entries * children.values;
    if (isIntrospection) sum.introspectionCost += entries * (own + children.cost);
    else sum.cost += entries * (own + children.cost);
    sum.dependsOnVariables ||= children.dependsOnVariables;
  };

  /** Returns the list size that the arguments set. For a connection, this is the size of the lists in `sizedFields`. */
  const sizeOf = (node: FieldNode, cost: FieldCost, sized: SizedFields | null): number => {
    if (cost.isList && sized?.names.includes(node.name.value)) return sized.size;
    if (cost.slicingArguments.length === 0) return cost.assumedSize;
    const sizes = cost.slicingArguments.flatMap((name) => {
      const value = node.arguments?.find((argument) => argument.name.value === name)?.value;
      const number = value && numberOf(value);
      return typeof number === 'number' && Number.isFinite(number) ? [Math.max(0, number)] : [];
    });
    return sizes.length > 0 ? Math.max(...sizes) : cost.assumedSize;
  };

  const numberOf = (value: ValueNode): number | null => {
    if (value.kind === Kind.INT) return Number(value.value);
    if (value.kind !== Kind.VARIABLE) return null;
    dependsOnVariables = true;
    const name = value.name.value;
    const sent = Object.hasOwn(variables, name) ? variables[name] : undefined;
    if (typeof sent === 'number') return sent;
    const fallback = defaults.get(name);
    return sent === undefined && fallback?.kind === Kind.INT ? Number(fallback.value) : null;
  };

  return (set, parent, sized) => {
    const figures = measureSet(set, parent, sized);
    return { ...figures, dependsOnVariables };
  };
}

const unknownField: FieldCost = {
  weight: 0,
  isList: false,
  assumedSize: 1,
  slicingArguments: [],
  sizedFields: [],
  argumentWeights: new Map(),
};

function nothing(): Figures {
  return {
    fields: 0,
    depth: 0,
    aliases: 0,
    directives: 0,
    selections: 0,
    values: 0,
    cost: 0,
    introspectionCost: 0,
    dependsOnVariables: false,
  };
}

/**
 * Measurements of a leaf's subfields: none. All leaves share this object, because an operation may have thousands of
 * leaves.
 */
const leaf: Readonly<Figures> = nothing();

function add(sum: Figures, other: Figures): void {
  sum.fields += other.fields;
  sum.depth = Math.max(sum.depth, other.depth);
  sum.aliases += other.aliases;
  sum.directives += other.directives;
  sum.selections += other.selections;
  sum.values += other.values;
  sum.cost += other.cost;
  sum.introspectionCost += other.introspectionCost;
}

function argumentsWeight(node: FieldNode, { argumentWeights }: FieldCost): number {
  if (argumentWeights.size === 0) return 0;
  return (node.arguments ?? []).reduce((sum, { name }) => sum + (argumentWeights.get(name.value) ?? 0), 0);
}

function fieldOf(schema: GraphQLSchema, parent: GraphQLNamedType, name: string) {
  if (parent === schema.getQueryType()) {
    if (name === SchemaMetaFieldDef.name) return SchemaMetaFieldDef;
    if (name === TypeMetaFieldDef.name) return TypeMetaFieldDef;
  }
  return isObjectType(parent) || isInterfaceType(parent) ? (parent.getFields()[name] ?? null) : null;
}
