import { type GraphQLSchema, getNamedType, isInterfaceType, isObjectType } from 'graphql';

/** The fields of an operation that its client may not see. */
export interface HiddenFields {
  /** The operation's root type. */
  readonly root: string;
  has(type: string, field: string): boolean;
  /** Returns the name of a field's type; an empty text for introspection fields. */
  typeOf(type: string, field: string): string;
}

/** @param fields names in the form `Type.field`. `Type` is the type on which the operation selects the field */
export function createHiddenFields(schema: GraphQLSchema, root: string, fields: readonly string[]): HiddenFields {
  const hidden = new Set(fields);
  return {
    root,
    has: (type, field) => hidden.has(`${type}.${field}`),
    typeOf(typeName, field) {
      const type = schema.getType(typeName);
      const definition = isObjectType(type) || isInterfaceType(type) ? type.getFields()[field] : undefined;
      return definition ? getNamedType(definition.type).name : '';
    },
  };
}
