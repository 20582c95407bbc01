import {
  type ConstValueNode,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isObjectType,
  Kind,
} from 'graphql';

/** Assumed size of a list without `@listSize`. */
export const defaultListSize = 10;
/** Cost of a mutation's root field without `@cost`. It is high because mutations write. */
const mutationWeight = 10;

/** The cost of a field. */
export interface FieldCost {
  /** Weight of one value of the field, without its children. */
  weight: number;
  isList: boolean;
  /** Size of the list if no slicing argument is set. */
  assumedSize: number;
  /** Names of the arguments that set the size of the list. */
  slicingArguments: readonly string[];
  /**
   * Subfields whose lists get their size from this field's arguments, such as `edges` of a connection; empty if the
   * field itself is the list.
   */
  sizedFields: readonly string[];
  /** Weights of the arguments that have `@cost`, by name. */
  argumentWeights: ReadonlyMap<string, number>;
}

export interface CostModel {
  /** Returns the cost of a field of the schema. */
  costOf(parent: GraphQLNamedType, field: GraphQLField<unknown, unknown>): FieldCost;
}

/**
 * Creates the cost model of a supergraph from `@cost` and `@listSize`. By default a value of an object, interface or
 * union costs 1, a root field of a mutation 10, anything else 0. Introspection fields cost 1 each. The sizes of
 * introspection lists, such as the list of types, are measured on this schema.
 *
 * @see https://ibm.github.io/graphql-specs/cost-spec.html
 */
export function createCostModel(schema: GraphQLSchema): CostModel {
  const costs = new WeakMap<object, FieldCost>();
  const introspectionSizes = measureIntrospection(schema);
  const mutation = schema.getMutationType();
  const read = (parent: GraphQLNamedType, field: GraphQLField<unknown, unknown>): FieldCost => {
    const type = getNamedType(field.type);
    const isList = isListType(getNullableType(field.type));
    if (parent.name.startsWith('__') || type.name.startsWith('__')) {
      const assumedSize = introspectionSizes.get(`${parent.name}.${field.name}`) ?? 1;
      return { weight: 1, isList, assumedSize, slicingArguments: [], sizedFields: [], argumentWeights: new Map() };
    }
    const listSize = directive(field, 'listSize');
    return {
      weight:
        weightOf(field) ?? (parent === mutation ? mutationWeight : (weightOf(type) ?? (isCompositeType(type) ? 1 : 0))),
      isList,
      assumedSize: numberOf(listSize?.get('assumedSize')) ?? defaultListSize,
      slicingArguments: textsOf(listSize?.get('slicingArguments')),
      sizedFields: textsOf(listSize?.get('sizedFields')),
      argumentWeights: new Map(
        field.args.flatMap((argument) => {
          const weight = weightOf(argument);
          return weight === null ? [] : [[argument.name, weight] as const];
        }),
      ),
    };
  };
  return {
    costOf(parent, field) {
      const known = costs.get(field);
      if (known) return known;
      const cost = read(parent, field);
      costs.set(field, cost);
      return cost;
    },
  };
}

type Annotated = {
  astNode?: {
    readonly directives?: readonly {
      readonly name: { readonly value: string };
      readonly arguments?: readonly { readonly name: { readonly value: string }; readonly value: ConstValueNode }[];
    }[];
  } | null;
};

/**
 * Reads the arguments of a directive. In a supergraph, a directive such as `@cost` is named `@federation__cost` if no
 * subgraph has imported it.
 */
function directive({ astNode }: Annotated, name: string): Map<string, ConstValueNode> | null {
  const found = astNode?.directives?.find(({ name: { value } }) => value === name || value === `federation__${name}`);
  return found ? new Map(found.arguments?.map((argument) => [argument.name.value, argument.value])) : null;
}

function weightOf(annotated: object): number | null {
  return numberOf(directive(annotated as Annotated, 'cost')?.get('weight'));
}

function numberOf(value: ConstValueNode | undefined): number | null {
  if (value?.kind !== Kind.INT && value?.kind !== Kind.FLOAT && value?.kind !== Kind.STRING) return null;
  const number = Number(value.value);
  return Number.isFinite(number) ? number : null;
}

function textsOf(value: ConstValueNode | undefined): string[] {
  return value?.kind === Kind.LIST
    ? value.values.flatMap((entry) => (entry.kind === Kind.STRING ? [entry.value] : []))
    : [];
}

/**
 * Returns the sizes of introspection lists. The schema's lists, such as `types`, get exact sizes. The lists of a type,
 * such as `fields`, get the average size over all types. Some short lists get a fixed size.
 */
function measureIntrospection(schema: GraphQLSchema): Map<string, number> {
  const types = Object.values(schema.getTypeMap());
  const averageOf = (sizes: number[]) =>
    Math.max(1, Math.ceil(sizes.reduce((sum, size) => sum + size, 0) / Math.max(1, types.length)));
  const fieldsOf = (type: GraphQLNamedType) =>
    isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : [];
  const directives = schema.getDirectives();
  const fields = types.flatMap(fieldsOf);
  return new Map([
    ['__Schema.types', types.length],
    ['__Schema.directives', directives.length],
    ['__Type.fields', averageOf(types.map((type) => fieldsOf(type).length))],
    [
      '__Type.inputFields',
      averageOf(types.map((type) => (isInputObjectType(type) ? Object.keys(type.getFields()).length : 0))),
    ],
    ['__Type.enumValues', averageOf(types.map((type) => (isEnumType(type) ? type.getValues().length : 0)))],
    ['__Type.possibleTypes', 2],
    ['__Type.interfaces', 1],
    [
      '__Field.args',
      Math.max(1, Math.ceil(fields.reduce((sum, field) => sum + field.args.length, 0) / (fields.length || 1))),
    ],
    ['__Directive.args', 2],
    ['__Directive.locations', 3],
  ]);
}
